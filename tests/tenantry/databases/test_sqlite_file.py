"""A SQLite file for each tenant, and no way out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from tenantry.databases.sqlite_connections import confine
from tenantry.databases.sqlite_file import SiteDatabase, site_database
from tests.tenantry.support import a_tenant, at_once

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from tenantry.settings import Settings


@pytest.fixture
def database(settings: Settings) -> SiteDatabase:
    database = site_database(a_tenant(), settings)
    database.create()
    return database


@pytest.fixture
def engine(database: SiteDatabase) -> Iterator[Engine]:
    engine = database.open_engine()
    yield engine
    engine.dispose()


def test_a_file_is_named_by_id(settings: Settings) -> None:
    """Law 9: slugs change and come back; ids do neither."""
    tenant = a_tenant("acme")
    path = site_database(tenant, settings).path

    assert path == settings.data_dir / "tenants" / f"t_{tenant.id}" / "site.sqlite3"
    assert "acme" not in str(path.relative_to(settings.data_dir))


def test_only_the_platform_can_read_it(database: SiteDatabase, engine: Engine) -> None:
    """R39: folder 0700, file 0600, and what SQLite puts beside it no wider."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in database.path.parent.iterdir()}

    assert database.path.parent.stat().st_mode & 0o777 == 0o700
    assert set(modes) == {"site.sqlite3", "site.sqlite3-wal", "site.sqlite3-shm"}
    assert set(modes.values()) == {0o600}


def test_creating_again_keeps_the_data_and_mends_the_modes(
    database: SiteDatabase, engine: Engine
) -> None:
    """Provisioning can be said twice; WAL stays on."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    database.path.parent.chmod(0o755)
    database.path.chmod(0o644)
    database.create()

    assert database.path.parent.stat().st_mode & 0o777 == 0o700
    assert database.path.stat().st_mode & 0o777 == 0o600
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_missing_file_is_not_made(database: SiteDatabase) -> None:
    """Law 1: lost data is an error to be seen, never an empty site."""
    database.path.unlink()
    engine = database.open_engine()
    with pytest.raises(OperationalError):
        engine.connect()

    assert not database.path.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '{other}' AS other",
        "ATTACH DATABASE 'file:{other}?mode=ro' AS other",
        "ATTACH DATABASE ':memory:' AS other",
        "ATTACH '' AS other",
        "VACUUM INTO '{copy}'",
        "SELECT load_extension('{other}')",
    ],
)
def test_injected_sql_reaches_no_other_file(
    engine: Engine, settings: Settings, tmp_path: Path, statement: str
) -> None:
    """R39: neither a neighbour's file nor a new one can be opened from a tenant's connection."""
    neighbour = site_database(a_tenant("bolt"), settings)
    neighbour.create()
    copy = tmp_path / "copy.sqlite3"
    raw = engine.raw_connection()
    with pytest.raises(Exception, match=r"not authorized|authorization denied"):
        raw.cursor().execute(statement.format(other=neighbour.path, copy=copy))
    raw.close()

    assert not copy.exists()


def test_foreign_keys_are_enforced(engine: Engine) -> None:
    """SQLite leaves them off on each connection unless it is told."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE a (id INTEGER PRIMARY KEY)"))
        connection.execute(text("CREATE TABLE b (a INTEGER REFERENCES a(id))"))
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text("INSERT INTO b VALUES (7)"))


@pytest.mark.parametrize("name", ["a b", "a?b", "a#b", "a%20b", "a&mode=rwc", "\u00e4", "a'b"])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    """The data folder's name is quoted in the URL: none of its characters becomes an option."""
    database = SiteDatabase(tmp_path / name / "t" / "site.sqlite3")
    database.create()
    engine = database.open_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    engine.dispose()
    database.path.unlink()
    with pytest.raises(OperationalError):
        engine.connect()

    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_confining_twice_is_confining_once(database: SiteDatabase) -> None:
    """Whoever makes the engine, the platform can confine it; saying it again adds nothing."""
    engine = create_engine(database.url, **database.engine_options)
    calls: list[str] = []
    event.listen(
        engine, "connect", lambda connection, _: connection.set_trace_callback(calls.append)
    )
    assert confine(confine(engine)) is engine
    with engine.connect():
        pass
    engine.dispose()

    assert sum("foreign_keys" in call for call in calls) == 1


def test_a_file_that_is_no_database_is_an_error(database: SiteDatabase, engine: Engine) -> None:
    """Law 1: damaged data is seen, not replaced."""
    engine.dispose()
    for path in database.path.parent.iterdir():
        path.write_bytes(b"not a database" * 100)
    with pytest.raises(DatabaseError):
        database.open_engine().connect()


def test_many_threads_write_in_turn(engine: Engine) -> None:
    """The busy timeout lets writers wait for each other instead of failing."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))

    def write(number: int) -> None:
        for _ in range(5):
            with engine.begin() as connection:
                connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})

    assert at_once(6, write) == [None] * 6
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 30


def test_what_there_is_of_it(database: SiteDatabase, engine: Engine) -> None:
    """Whether it exists, how much it takes and whether it is sound; dropped, nothing is left."""
    assert database.exists()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (body)"))
        connection.execute(text("INSERT INTO notes VALUES (hex(zeroblob(50000)))"))
    assert database.size() > 100_000
    assert database.check() is None
    engine.dispose()

    database.drop()
    database.drop()
    assert not database.exists()
    assert database.size() == 0
    assert not database.path.parent.exists()


def test_damage_is_told(database: SiteDatabase, engine: Engine) -> None:
    """A damaged page, no database at all, no file: each is told and none raises."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE notes (body)"))
        connection.execute(text("INSERT INTO notes VALUES (hex(zeroblob(50000)))"))
    engine.dispose()
    content = bytearray(database.path.read_bytes())
    content[4096 : 4096 * 3] = b"\xff" * 4096 * 2
    database.path.write_bytes(content)
    assert database.check()
    database.path.write_bytes(b"no database, but long enough to be one" * 100)
    assert database.check() == "file is not a database"
    database.drop()
    assert database.check() == "unable to open database file"
