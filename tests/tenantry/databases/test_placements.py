"""What every tenant's database does, whatever kind of server holds it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tenantry import site_database
from tenantry.databases.placements import (
    TenantDatabase,
    choose_placement,
    database_at,
    tenant_database,
)
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.errors import NoRoomError, PlacementError, UnknownPlacementError
from tests.tenantry.support import a_tenant, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from tenantry.databases.servers import Server
    from tenantry.settings import Settings


@pytest.fixture
def database(any_settings: Settings) -> TenantDatabase:
    """Return a tenant's database with a table of notes."""
    database = tenant_database(a_tenant(), any_settings)
    database.create()
    return database


@pytest.fixture
def engine(database: TenantDatabase) -> Iterator[Engine]:
    engine = database.open_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)"))
    yield engine
    engine.dispose()


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM notes")) or 0)


def test_what_there_is_of_it(database: TenantDatabase, engine: Engine) -> None:
    """Whether it exists, how much it takes and whether it is sound; dropped, nothing is left."""
    assert database.exists()
    assert database.check() is None
    empty = database.size()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO notes VALUES (1, :body)"), {"body": "x7" * 200_000})
    engine.dispose()
    assert database.size() > empty

    database.drop()
    database.drop()
    assert not database.exists()
    assert database.size() == 0
    assert database.check()


def test_creating_again_keeps_the_data(database: TenantDatabase, engine: Engine) -> None:
    """Provisioning can be said twice, also at once."""
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO notes VALUES (1, 'a')"))
    assert at_once(4, lambda _: database.create()) == [None] * 4

    assert count(engine) == 1


def test_many_create_at_once(any_settings: Settings) -> None:
    """Whoever comes second finds it made."""
    database = tenant_database(a_tenant("bolt"), any_settings)
    assert at_once(4, lambda _: database.create()) == [None] * 4
    assert database.check() is None


def test_what_is_missing_is_an_error(database: TenantDatabase, engine: Engine) -> None:
    """Law 1: lost data is an error to be seen, never an empty site."""
    engine.dispose()
    database.drop()
    with pytest.raises(DBAPIError), database.open_engine().begin() as connection:
        connection.execute(text("CREATE TABLE notes (id INTEGER)"))

    assert not database.exists()


def test_half_a_transaction_leaves_nothing(engine: Engine) -> None:
    """An error takes back what came before it, and the next transaction is a new one."""
    twice = [{"id": 1}, {"id": 1}]
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("INSERT INTO notes VALUES (:id, 'a')"), twice)

    assert count(engine) == 0


def test_tables_are_found_by_inspection(engine: Engine) -> None:
    """Migrations compare what is there: one's own, without a schema's name."""
    assert inspect(engine).get_table_names() == ["notes"]
    assert inspect(engine).has_table("notes")


def test_threads_share_it(engine: Engine) -> None:
    """Writers wait for each other instead of failing."""

    def write(number: int) -> None:
        for step in range(5):
            with engine.begin() as connection:
                connection.execute(
                    text("INSERT INTO notes VALUES (:id, 'x')"), {"id": number * 10 + step}
                )

    assert at_once(6, write) == [None] * 6
    assert count(engine) == 30


def test_it_says_where_it_is(database: TenantDatabase) -> None:
    """For logs: by the tenant's id, without a password."""
    assert f"t_{a_tenant().id}" in database.shown


def test_an_engine_is_disposed_of_twice(database: TenantDatabase, engine: Engine) -> None:
    """Whoever opened it disposes of it; another one's view goes on."""
    other = database.open_engine()
    other.dispose()
    with suppress(DBAPIError):
        other.connect().close()
    other.dispose()
    assert count(engine) == 0


def test_files_can_be_elsewhere(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    """A placement of files may have a folder of its own, where nothing is left when it is dropped."""
    folder = tmp_path / "fast disk"
    settings = make_settings(databases={"local": "sqlite", "fast": f"sqlite:///{folder}"})
    tenant = a_tenant(placement="fast")
    database = site_database(tenant, settings)
    database.create()
    assert database.path == folder / f"t_{tenant.id}" / "site.sqlite3"
    assert database.path.parent.stat().st_mode & 0o777 == 0o700
    assert tenant_database(tenant, settings).exists()
    database.drop()
    assert list(folder.iterdir()) == []


def test_a_placement_that_is_gone_is_named(settings: Settings) -> None:
    """Law 1: a tenant of an unknown placement has no data, rather than other data."""
    with pytest.raises(UnknownPlacementError, match=r"no placement 'eu'.*names local"):
        tenant_database(a_tenant(placement="eu"), settings)


def test_a_server_has_no_files(make_settings: Callable[..., Settings]) -> None:
    """A factory that only knows files is told what to ask for."""
    url = "postgresql+psycopg://u:geheim@127.0.0.1:1/d"
    settings = make_settings(databases={"local": url})
    with pytest.raises(PlacementError, match="has no file; ask for tenant_database") as refused:
        site_database(a_tenant(), settings)
    assert "geheim" not in str(refused.value) + repr(settings) + str(settings.databases)


PLACES = {"one": {"url": "sqlite", "tenants": 2}, "two": "sqlite:////srv/two", "three": "sqlite"}


@pytest.mark.parametrize(
    ("asked", "counts", "chosen"),
    [
        pytest.param(None, {}, "one", id="the first"),
        pytest.param(None, {"one": 1, "two": 50}, "one", id="room for one more"),
        pytest.param(None, {"one": 2}, "two", id="full"),
        pytest.param("three", {}, "three", id="asked for"),
        pytest.param("one", {"one": 7}, "one", id="asked for though full"),
    ],
)
def test_a_new_tenant_goes_where_there_is_room(
    make_settings: Callable[..., Settings], asked: str | None, counts: dict[str, int], chosen: str
) -> None:
    """Or to the placement asked for."""
    settings = make_settings(databases=PLACES)
    assert choose_placement(settings, asked, lambda: counts).name == chosen


def test_no_room_is_told(make_settings: Callable[..., Settings]) -> None:
    """With the setting that makes some."""
    settings = make_settings(databases={"one": PLACES["one"]})
    with pytest.raises(NoRoomError, match=r"room for one more tenant \(one\). Raise `tenants`"):
        choose_placement(settings, None, lambda: {"one": 2})


def test_what_people_wrote_is_in_no_error(engine: Engine) -> None:
    """What is logged of a failure has the statement without its values."""
    with engine.connect() as connection, pytest.raises(DBAPIError) as failed:
        connection.execute(text("INSERT INTO nowhere VALUES (:it)"), {"it": "geheim"})
    assert "geheim" not in str(failed.value)


class Newest:
    """A template of one revision, as both kinds of databases take it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self) -> Path:
        """Return a SQLite file."""
        made = SiteDatabase(self.folder / "template" / "one.sqlite3")
        made.create()
        with closing(sqlite3.connect(made.path)) as connection:
            connection.executescript(";".join(self.statements(None)))
        return made.path

    def statements(self, _server: Server | None) -> list[str]:
        """Return statements."""
        version = "CREATE TABLE alembic_version (version_num VARCHAR(32))"
        return [version, "INSERT INTO alembic_version VALUES ('0001')"]


def test_each_kind_of_database_does_what_all_do(any_settings: Settings, tmp_path: Path) -> None:
    """Whatever holds it: made once of a template, served, closed, at its revision, gone."""
    tenant = a_tenant()
    database = tenant_database(tenant, any_settings)
    assert database.create_from(Newest(tmp_path))
    assert not database.create_from(Newest(tmp_path)), "it is there"
    assert (database.exists(), database.is_empty(), database.check()) == (True, False, None)
    assert database.revision() == "0001"
    assert (database.file is not None) == (database.kind == "sqlite")
    assert database.login_to_admit() is None, "its own login is let in"

    with database.serving_engine().connect() as connection:
        assert (
            connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0001"
        )
    database.close()
    database_at(tenant.location, any_settings).drop()
    assert not database.exists()
    assert database.remains() == ()


def test_nobody_asks_of_which_kind_a_database_is() -> None:
    """What depends on the kind is a method of both: a third one would be found nowhere else."""
    asks = re.compile(r"isinstance\([^()]*(Site|Schema)Database")
    code = [
        path
        for place in ("platform", "tenants", "backend_app")
        for path in Path(place).rglob("*.py")
    ]
    assert code
    assert [str(path) for path in code if asks.search(path.read_text())] == []
