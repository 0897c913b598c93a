"""The database time of a thread, as its tenant's engine counts it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from tenantry.databases.engines import OpenEngines
from tenantry.databases.sqlite_connections import confine
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.resources.usage import SPENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

SLOW = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200000)
SELECT sum(n) FROM numbers
"""
MANY_ROWS = SLOW.replace("sum(n)", "n")


@pytest.fixture
def database(tmp_path: Path) -> SiteDatabase:
    database = SiteDatabase(tmp_path / "t" / "site.sqlite3")
    database.create()
    return database


@pytest.fixture(params=["shared", "own", "confined"])
def engine(request: pytest.FixtureRequest, database: SiteDatabase) -> Iterator[Engine]:
    """Return an engine of each kind that there is."""
    engines = OpenEngines()
    makers: dict[str, Callable[[], Engine]] = {
        "shared": lambda: engines.get(database.path),
        "own": database.open_engine,
        "confined": lambda: confine(create_engine(database.url)),
    }
    engine = makers[request.param]()
    yield engine
    engines.clear()
    engine.dispose()


def spent(task: Callable[[], object]) -> tuple[float, float]:
    """Return the database time that *task* was charged, and the time that it took."""
    before, started = SPENT.database, time.perf_counter()
    task()
    return SPENT.database - before, time.perf_counter() - started


def test_a_slow_statement_shows(engine: Engine) -> None:
    """Nearly all of a slow statement's time is database time, and none of the time around it."""
    with engine.connect() as connection:
        charged, taken = spent(lambda: connection.execute(text(SLOW)).scalar())
        assert 0.5 * taken < charged <= taken
        charged, _ = spent(lambda: time.sleep(0.02))
        assert charged == 0


def test_fetching_shows(engine: Engine) -> None:
    """SQLite makes rows while they are fetched: execute() alone would see next to nothing."""
    with engine.connect() as connection:
        for _ in range(5):  # another process may take the processor where nothing is charged
            result = connection.execute(text(MANY_ROWS))
            charged, taken = spent(result.fetchall)
            assert charged <= taken
            if charged > 0.1 * taken:
                return
    raise AssertionError("the time of fetching was not charged")


def test_committing_shows(engine: Engine) -> None:
    """A commit waits for the disk."""
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (n)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
        charged, taken = spent(connection.commit)

    assert 0 < charged <= taken


def test_a_statement_that_fails_shows(engine: Engine) -> None:
    """What ends in an error has used the database all the same."""
    failing = SLOW.replace("sum(n)", "abs(-9223372036854775808 + 0 * sum(n))")

    def attempt() -> None:
        with suppress(DatabaseError):
            connection.execute(text(failing)).scalar()

    with engine.connect() as connection:
        charged, taken = spent(attempt)

    assert 0.5 * taken < charged <= taken


def test_other_threads_are_not_charged(engine: Engine) -> None:
    """Each thread counts for the request that it serves."""
    theirs: list[tuple[float, float]] = []

    def work() -> None:
        with engine.connect() as connection:
            theirs.append(spent(lambda: connection.execute(text(SLOW)).scalar()))

    def wait() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    charged, taken = spent(wait)

    assert charged == 0
    assert theirs[0][0] > 0.2 * taken


def test_the_drivers_short_cuts_show(engine: Engine) -> None:
    """Each is counted, and none twice."""
    raw = engine.raw_connection()
    driver: Any = raw.driver_connection
    for task in (
        lambda: driver.execute(SLOW).fetchall(),
        lambda: driver.executescript(SLOW),
        lambda: driver.executemany("CREATE TABLE IF NOT EXISTS t AS " + SLOW, [()]),
    ):
        charged, taken = spent(task)
        assert 0.5 * taken < charged <= taken
    raw.close()
