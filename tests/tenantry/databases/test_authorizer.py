"""What a tenant's SQLite connection may do, and for how long."""

from __future__ import annotations

import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from tenantry.databases.engines import OpenEngines
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.databases.timing import Deadline, Limit
from tenantry.resources.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c"
LONG = ENDLESS.replace("FROM c)", "FROM c LIMIT 900000)")


@pytest.fixture
def database(tmp_path: Path) -> SiteDatabase:
    """Return a tenant's database with a table of notes and a search in them."""
    made = SiteDatabase(tmp_path / "t_1" / "site.sqlite3")
    made.create()
    engine = made.open_engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        connection.exec_driver_sql("INSERT INTO notes VALUES (1, 'a word')")
        connection.exec_driver_sql("CREATE VIRTUAL TABLE search USING fts5(body)")
        connection.exec_driver_sql("INSERT INTO search SELECT body FROM notes")
    engine.dispose()
    return made


@pytest.fixture
def engines() -> Iterator[OpenEngines]:
    """Return engines as requests have them."""
    made = OpenEngines(Budget(connections=4))
    yield made
    made.clear()


@pytest.fixture(params=["request", "platform"])
def engine(
    database: SiteDatabase, engines: OpenEngines, request: pytest.FixtureRequest
) -> Iterator[Engine]:
    """Return the tenant's engine as a request has it, and as the platform's own work has it."""
    made = engines.get(database.path) if request.param == "request" else database.open_engine()
    yield made
    made.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE ':memory:' AS other",
        "SELECT load_extension('libm.so.6')",
        "SELECT fts3_tokenizer('simple')",
        "SELECT fts3_tokenizer('simple', x'0000000000000000')",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA soft_heap_limit = 1",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA writable_schema = ON",
        "PRAGMA trusted_schema = ON",
        "PRAGMA schema_version = 7",
        "PRAGMA no_such_pragma",
        "SELECT * FROM pragma_hard_heap_limit",
        "CREATE VIRTUAL TABLE pages USING dbstat",
    ],
)
def test_what_a_tenant_does_not_need_is_refused(engine: Engine, statement: str) -> None:
    """Nothing leads out of the file, to the process's memory, or past what keeps the file whole."""
    before = sqlite3.connect(":memory:")
    with engine.connect() as connection, pytest.raises(DBAPIError, match=r"not authorized|no such"):
        connection.exec_driver_sql(statement).fetchall()
    assert before.execute("PRAGMA hard_heap_limit").fetchone() == (0,)
    before.close()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT body FROM search WHERE search MATCH 'word'",
        "CREATE VIRTUAL TABLE more USING fts4(body)",
        "CREATE TEMPORARY TABLE draft AS SELECT * FROM notes",
        "PRAGMA table_info(notes)",
        "SELECT name FROM pragma_table_list",
        "PRAGMA foreign_keys = ON",
        "PRAGMA journal_mode",
        "PRAGMA journal_mode = wal",
        "PRAGMA defer_foreign_keys = ON",
        "PRAGMA integrity_check",
        "PRAGMA user_version = 3",
        "PRAGMA optimize",
    ],
)
def test_what_a_tenant_needs_is_allowed(engine: Engine, statement: str) -> None:
    """Search, temporary tables, and looking at one's own schema."""
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ('MAIN."Cache_Size"', "-9999999"),
        ("mmap_size", "9999999"),
        ("locking_mode", "EXCLUSIVE"),
        ("threads", "8"),
        ("synchronous", "OFF"),
        ("busy_timeout", "9999999"),
        ("journal_mode", "DELETE"),
        ("temp_store", "MEMORY"),
    ],
)
def test_what_apps_tune_at_each_connection_stays_as_it_is(
    database: SiteDatabase, engines: OpenEngines, pragma: str, value: str
) -> None:
    """Many apps do; they go on, and the platform's own values hold."""
    asked = "PRAGMA busy_timeout; PRAGMA cache_size; PRAGMA synchronous; PRAGMA journal_mode"
    with engines.get(database.path).connect() as connection:

        def values() -> list[object]:
            return [connection.exec_driver_sql(each).scalar() for each in asked.split(";")]

        before = values()
        connection.exec_driver_sql(f"PRAGMA {pragma} = {value}")
        assert values() == before
        assert before[0] == 5000


@pytest.mark.parametrize("statement", ["PRAGMA foreign_keys = OFF"])
def test_only_the_platform_changes_how_it_waits_and_checks(
    database: SiteDatabase, engines: OpenEngines, statement: str
) -> None:
    """Migrations do; a connection that a request leaves behind stays as it was."""
    engine = database.open_engine()
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
    refused = pytest.raises(DBAPIError, match="not authorized")
    with engines.get(database.path).connect() as connection, refused:
        connection.exec_driver_sql(statement)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the driver has no defensive mode")
def test_the_tables_of_an_index_take_no_writes(engine: Engine) -> None:
    """A search whose own tables were spoilt by SQL could read where it should not."""
    with engine.connect() as connection, pytest.raises(DBAPIError, match="may not be modified"):
        connection.exec_driver_sql("DELETE FROM search_data")


def test_a_statement_ends_when_its_time_is_over(
    database: SiteDatabase, engines: OpenEngines
) -> None:
    """One request cannot keep a thread for ever; the next statement has its own time."""
    engine = engines.get(database.path, statement_seconds=0.05)
    with engine.connect() as connection:
        for _ in range(2):
            with pytest.raises(OperationalError, match="interrupted"):
                connection.exec_driver_sql(ENDLESS).fetchall()
            assert connection.exec_driver_sql("SELECT body FROM notes").scalar() == "a word"


def test_another_limit_holds_at_once(database: SiteDatabase, engines: OpenEngines) -> None:
    """A tenant that gets another plan need not connect anew."""
    with engines.get(database.path).connect() as connection:
        assert connection.exec_driver_sql(LONG).scalar() == 900_000
        engines.get(database.path, statement_seconds=0.001)
        with pytest.raises(OperationalError, match="interrupted"):
            connection.exec_driver_sql(LONG).fetchall()


def test_the_platforms_own_work_is_not_cut_off(
    database: SiteDatabase, engines: OpenEngines
) -> None:
    """A migration or a backup may take as long as it takes, whatever requests may."""
    engines.get(database.path, statement_seconds=0.001)
    engine = database.open_engine()
    with engine.connect() as connection:
        assert connection.exec_driver_sql(LONG).scalar() == 900_000
    engine.dispose()


def test_a_slow_reader_does_not_use_up_the_time_of_a_statement() -> None:
    """Only what SQLite works on a statement is counted, not what is done with rows in between."""
    limit = Limit(1.0)
    deadline = Deadline(limit)
    deadline.begin()
    deadline.go_on(0.0)  # at a time long ago
    assert deadline.is_over()
    deadline.pause(0.25)
    deadline.go_on(float("inf"))
    assert not deadline.is_over()
    limit.seconds = 0
    deadline.begin()
    deadline.go_on(0.0)
    assert not deadline.is_over()
