"""One database on its way to the newest schema revision."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tenantry.databases.placements import tenant_database
from tenantry.errors import HistoryError, UnknownSchemaError, UpgradeError
from tenantry.migrations import History, provision_database, upgrade
from tests.tenantry.migrations.support import (
    FAILS,
    NAME,
    NOTES,
    PEOPLE,
    ask,
    columns,
    write_revisions,
)
from tests.tenantry.support import a_tenant, at_once

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings

ACME = a_tenant("acme")


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    """Return a folder with one revision, at which the tenant's database is."""
    made = write_revisions(tmp_path / "alembic", f"{PEOPLE}; {NOTES}")
    provision_database(ACME, settings, made)
    return made


def test_what_is_lacking_is_run_and_no_more(folder: Path, settings: Settings) -> None:
    """The database says afterwards where it is, and saying it again finds nothing to do."""
    database = tenant_database(ACME, settings)
    write_revisions(folder, NAME, first=2)
    history = History(folder)

    done = upgrade(database, history)
    assert (done.before, done.after) == ("0001", "0002")
    assert columns(ACME, settings, "people") == ["id", "name"]
    assert database.revision() == "0002"
    again = upgrade(database, history)
    assert (again.before, again.after) == ("0002", "0002")


def test_a_failing_revision_takes_everything_back(folder: Path, settings: Settings) -> None:
    """DDL included: the database is at its old revision, and goes on from there when it is mended."""
    database = tenant_database(ACME, settings)
    write_revisions(folder, NAME, FAILS, first=2)
    with pytest.raises(UpgradeError, match="no_such_table"):
        upgrade(database, History(folder))

    assert database.revision() == "0001"
    assert columns(ACME, settings, "people") == ["id"]
    write_revisions(folder, "pass", first=3)
    assert upgrade(database, History(folder)).after == "0003"


def test_what_raises_anything_takes_everything_back(folder: Path, settings: Settings) -> None:
    """A revision is somebody's Python: its own error comes out, and nothing stays."""
    write_revisions(folder, f"{NAME}; 1 / 0", first=2)
    with pytest.raises(ZeroDivisionError):
        upgrade(tenant_database(ACME, settings), History(folder))
    assert columns(ACME, settings, "people") == ["id"]


def test_a_table_that_is_copied_keeps_what_refers_to_it(folder: Path, settings: Settings) -> None:
    """SQLite would delete the notes with the old table of people; no row may be lost."""
    ask(ACME, settings, "INSERT INTO people VALUES (1)")
    ask(ACME, settings, "INSERT INTO notes VALUES (1, 1)")
    write_revisions(
        folder,
        "with op.batch_alter_table('people', recreate='always') as batch: "
        "batch.add_column(sa.Column('name', sa.String(80)))",
        first=2,
    )
    upgrade(tenant_database(ACME, settings), History(folder))

    assert columns(ACME, settings, "people") == ["id", "name"]
    assert ask(ACME, settings, "SELECT * FROM notes") == [(1, 1)]


def test_a_revision_that_breaks_a_reference_is_refused(folder: Path, settings: Settings) -> None:
    """Foreign keys are checked before the end, since they are off meanwhile."""
    ask(ACME, settings, "INSERT INTO people VALUES (1)")
    ask(ACME, settings, "INSERT INTO notes VALUES (1, 1)")
    write_revisions(folder, "op.execute('DELETE FROM people')", first=2)
    with pytest.raises(UpgradeError, match="'notes' refers to one of 'people'"):
        upgrade(tenant_database(ACME, settings), History(folder))
    assert ask(ACME, settings, "SELECT * FROM people") == [(1,)]


def test_a_database_in_use_is_waited_for_and_then_left(folder: Path, settings: Settings) -> None:
    """Who holds the lock is not thrown out."""
    database = tenant_database(ACME, settings)
    write_revisions(folder, NAME, first=2)
    path = settings.tenant_dir(ACME.id) / "site.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UpgradeError, match="database is locked"):
            upgrade(database, History(folder), lock_timeout=0.05)
    assert upgrade(database, History(folder)).after == "0002"


def test_a_database_of_a_newer_release_is_left_alone(folder: Path, settings: Settings) -> None:
    """Code that was rolled back meets databases that were not."""
    ask(ACME, settings, "UPDATE alembic_version SET version_num = '0009'")
    with pytest.raises(UnknownSchemaError, match=r"'0009'.*'0001'"):
        upgrade(tenant_database(ACME, settings), History(folder))
    assert tenant_database(ACME, settings).revision() == "0009"


@pytest.mark.parametrize(
    "content", [pytest.param(None, id="missing"), pytest.param(b"garbage" * 1000, id="garbage")]
)
def test_a_damaged_database_is_told(
    folder: Path, settings: Settings, content: bytes | None
) -> None:
    """It is an error in one line, and nothing is made in its place."""
    path = settings.tenant_dir(ACME.id) / "site.sqlite3"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UpgradeError, match=r"unable to open|not a database"):
        upgrade(tenant_database(ACME, settings), History(folder))
    assert path.exists() == (content is not None)


def test_threads_do_not_run_each_others_revisions(folder: Path, settings: Settings) -> None:
    """`alembic.op` is one for the process; each database still gets its own columns."""
    tenants = [a_tenant(f"site-{number}") for number in range(4)]
    for tenant in tenants:
        provision_database(tenant, settings, folder)
    write_revisions(folder, NAME, first=2)
    history = History(folder)

    at_once(4, lambda number: upgrade(tenant_database(tenants[number], settings), history))

    for tenant in tenants:
        assert columns(tenant, settings, "people") == ["id", "name"]


def test_a_history_knows_what_asks_for_maintenance(folder: Path) -> None:
    """Only a database that still lacks such a revision needs it."""
    write_revisions(folder, NAME, first=2, head="maintenance = True")
    write_revisions(folder, "pass", first=3)
    history = History(folder)
    asked = {revision: history.needs_maintenance(revision) for revision in ("", "0001", "0002")}
    assert asked == {"": True, "0001": True, "0002": False}
    assert [script.revision for script in history.path_from("0001")] == ["0002", "0003"]


def test_a_folder_without_one_newest_revision_is_refused(tmp_path: Path, folder: Path) -> None:
    """Which schema is meant would be a guess."""
    with pytest.raises(HistoryError, match="no revisions"):
        History(write_revisions(tmp_path / "empty"))
    with pytest.raises(HistoryError, match="/nowhere"):
        History(tmp_path / "nowhere")
    write_revisions(folder, "pass", first=2)
    other = (folder / "versions" / "0002_.py").read_text().replace("'0002'", "'other'")
    (folder / "versions" / "other.py").write_text(other)
    with pytest.raises(HistoryError, match=r"several newest revisions \(0002, other\)"):
        History(folder)
