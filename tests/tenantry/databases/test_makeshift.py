"""Reading a SQLite file where nothing can be made beside it: a full disk, a folder of somebody else."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, OperationalError

from tenantry.databases.engines import OpenEngines
from tenantry.databases.sqlite_file import SiteDatabase
from tests.disk import SmallDisk, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Return a disk of the test's own."""
    with small_disk(tmp_path / "disk", megabytes=1) as made:
        yield made


@pytest.fixture
def path(disk: SmallDisk) -> Path:
    """Return the file of a tenant with one row, which nobody has open."""
    database = SiteDatabase(disk.path / "t_1" / "site.sqlite3")
    database.create()
    write(database.path, "first")
    assert not log_of(database.path).exists()
    return database.path


def log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def write(path: Path, word: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS word (word)")
        connection.execute("INSERT INTO word VALUES (?)", (word,))
        connection.commit()


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """Return its engine."""
    engines = OpenEngines()
    yield engines.get(path)
    engines.clear()
    assert engines.connections == 0


def words(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT word FROM word")))


def test_a_closed_file_is_read_on_a_full_disk(disk: SmallDisk, engine: Engine) -> None:
    """SQLite would need room for the index of its log, only to read that there is no log."""
    with disk.full():
        assert words(engine) == ["first"]
        with engine.begin() as connection, pytest.raises(OperationalError) as refused:
            connection.execute(text("INSERT INTO word VALUES ('lost')"))
        assert getattr(refused.value.orig, "sqlite_errorname", "") == "SQLITE_READONLY"
    assert words(engine) == ["first"]


def test_what_is_written_afterwards_is_seen_at_once(
    disk: SmallDisk, path: Path, engine: Engine
) -> None:
    """A makeshift connection knows of no change, so that it serves one request."""
    with disk.full():
        assert words(engine) == ["first"]
    write(path, "second")
    assert words(engine) == ["first", "second"]
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO word VALUES ('third')"))
    assert words(engine) == ["first", "second", "third"]


def test_it_is_as_confined_as_any_other(disk: SmallDisk, path: Path, engine: Engine) -> None:
    """There is no way into another file here either."""
    write(path.with_name("other"), "secret")
    with disk.full(), engine.connect() as connection, pytest.raises(DatabaseError):
        connection.exec_driver_sql(f"ATTACH '{path.with_name('other')}' AS other")


def test_a_log_with_something_in_it_is_never_passed_over(
    disk: SmallDisk, path: Path, engine: Engine
) -> None:
    """What was acknowledged may be in the log alone: rather nothing is shown than the state before."""
    keep = sqlite3.connect(path)
    keep.execute("INSERT INTO word VALUES ('second')")
    keep.commit()
    saved = {p: p.read_bytes() for p in (path, log_of(path))}
    keep.close()
    for file, content in saved.items():  # as a machine leaves it that has lost its power
        file.write_bytes(content)
    assert log_of(path).stat().st_size
    with disk.full(), pytest.raises(OperationalError):
        words(engine)
    assert words(engine) == ["first", "second"]


def test_a_damaged_file_is_none_that_can_be_read(path: Path, engine: Engine) -> None:
    """Nothing but the lack of an index leads there."""
    path.write_bytes(os.urandom(8192))
    with pytest.raises(Exception, match="not a database"):
        words(engine)
