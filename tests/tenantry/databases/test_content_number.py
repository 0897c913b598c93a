"""The number of a database's content: every commit changes it, and nothing else may keep it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tenantry.databases.engines import ENGINES, OpenEngines
from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite_file import SiteDatabase, copy_site
from tenantry.resources.budget import Budget
from tests.tenantry.support import a_tenant, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.databases.placements import TenantDatabase
    from tenantry.settings import Settings

INSERT = text("INSERT INTO words VALUES ('a')")


@pytest.fixture
def database(any_settings: Settings) -> Iterator[TenantDatabase]:
    """Return a tenant's database with one empty table."""
    database = tenant_database(a_tenant(), any_settings)
    database.create()
    with database.serving_engine().begin() as connection:
        connection.execute(text("CREATE TABLE words (word TEXT)"))
    yield database
    database.close()


def test_the_number_stays_while_nothing_is_committed(database: TenantDatabase) -> None:
    """Readers, and writers who take everything back, leave it as it is."""
    number = database.content_number()
    assert number is not None
    with database.serving_engine().connect() as connection:
        connection.execute(text("SELECT word FROM words")).all()
    assert database.content_number() == number


def test_a_commit_changes_the_number_at_once(database: TenantDatabase) -> None:
    """Also a commit by this process, and by a connection that is closed before."""
    seen = {database.content_number()}
    for _ in range(5):
        with database.serving_engine().begin() as connection:
            connection.execute(INSERT)
        seen.add(database.content_number())
    engine = database.open_engine()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM words"))
    engine.dispose()
    seen.add(database.content_number())
    assert len(seen) == 7
    assert None not in seen


def test_a_new_schema_changes_the_number(database: TenantDatabase) -> None:
    """A migration changes what pages are made of, even one that touches no row."""
    number = database.content_number()
    with database.serving_engine().begin() as connection:
        connection.execute(text("ALTER TABLE words ADD COLUMN more TEXT DEFAULT 'x'"))
    assert database.content_number() != number


def test_a_transaction_under_way_changes_nothing_and_its_commit_does(
    database: TenantDatabase,
) -> None:
    """The number belongs to what readers see."""
    with database.serving_engine().connect() as connection:
        connection.execute(INSERT)
        during = database.content_number()
        assert database.content_number() == during
        connection.commit()
        assert database.content_number() != during


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteDatabase]:
    """Return a tenant's file with one table."""
    site = SiteDatabase(tmp_path / "t_1" / "site.sqlite3")
    site.create()
    _write(site.path, "CREATE TABLE words (word TEXT)")
    yield site
    site.close()


def _write(path: Path, statement: str) -> None:
    """Commit in another process."""
    code = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]);"
        "connection.execute(sys.argv[2]); connection.commit()"
    )
    subprocess.run([sys.executable, "-c", code, path, statement], check=True)


def test_other_processes_commits_and_checkpoints_are_heard(site: SiteDatabase) -> None:
    """The number is right for commits by another process, with and without a log left behind."""
    seen = {site.content_number()}
    for statement in ("INSERT INTO words VALUES ('a')", "VACUUM", "DELETE FROM words"):
        _write(site.path, statement)
        seen.add(site.content_number())
    assert len(seen) == 4
    number = site.content_number()
    with site.serving_engine().connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    _write(site.path, "INSERT INTO words VALUES ('b')")
    assert site.content_number() != number


def test_a_restored_file_has_another_number(site: SiteDatabase, tmp_path: Path) -> None:
    """A file that stands under the name now may have any content: two connections never compare."""
    backup = tmp_path / "backup" / "site.sqlite3"
    copy_site(site.path, backup)
    seen = {site.content_number()}
    for _ in range(3):
        copy_site(backup, site.path)
        seen.add(site.content_number())
    assert len(seen) == 4
    assert None not in seen


def test_no_file_has_no_number(site: SiteDatabase) -> None:
    """What cannot be compared is rendered, and its error is the view's."""
    assert site.content_number() is not None
    site.drop()
    assert site.content_number() is None
    site.create()
    assert site.content_number() is not None


def test_a_file_locked_for_everybody_has_no_number(site: SiteDatabase) -> None:
    """Nobody waits for the number."""
    engine = site.open_engine()
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA locking_mode = EXCLUSIVE")
        cursor.execute("PRAGMA journal_mode = DELETE")
        cursor.execute("BEGIN EXCLUSIVE")
        assert site.content_number() is None
    engine.dispose()


def test_the_watch_is_within_the_budget_of_connections(tmp_path: Path) -> None:
    """Watches are closed like idle connections, the least recently used first."""
    engines = OpenEngines(Budget(connections=3))
    for number in range(10):
        site = SiteDatabase(tmp_path / f"t_{number}" / "site.sqlite3")
        site.create()
        assert engines.content_number(site.path) is not None
        assert engines.connections <= 3
    engines.clear()
    assert engines.connections == 0


def test_threads_share_one_watch(site: SiteDatabase) -> None:
    """However many ask at once, one connection answers, and to all alike."""
    before = ENGINES.connections
    numbers = at_once(8, lambda _: {site.content_number() for _ in range(50)})
    assert len(set.union(*numbers)) == 1
    assert ENGINES.connections == before + 1


def test_an_engine_that_an_app_disposes_of_is_watched_again(site: SiteDatabase) -> None:
    """Apps may call ``engine.dispose()``; the next request has a number, and another one."""
    number = site.content_number()
    site.serving_engine().dispose()
    assert site.content_number() not in {None, number}


@pytest.mark.postgresql
def test_a_server_that_is_down_has_no_number(
    make_settings: Callable[..., Settings],
) -> None:
    """The page is rendered, and says what the matter is."""
    settings = make_settings(databases={"local": "postgresql+psycopg://nobody@127.0.0.1:1/none"})
    assert tenant_database(a_tenant(), settings).content_number() is None
