"""Counts the queries of a process to its catalog from below: each statement that SQLite runs.

A query adds one byte to a file, so that all processes count together, and the file's size is the sum.
"""

from __future__ import annotations

import os
from sqlite3 import dbapi2 as driver
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

LOOKUPS, POLLS = "lookups", "polls"


def count_queries(database: str, into: Path) -> None:
    """Count what the platform's engines that are made from now on ask of *database*.

    :param into: The folder of the counts: ``polls`` are the queries for the newest change's number,
        ``lookups`` all others.
    """
    appending = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    lookups, polls = (os.open(into / name, appending, 0o600) for name in (LOOKUPS, POLLS))

    def note(statement: str) -> None:
        if statement.startswith("SELECT"):
            os.write(polls if "FROM heads" in statement else lookups, b".")

    connect = driver.connect

    def watched(*arguments: Any, **options: Any) -> Any:
        connection = connect(*arguments, **options)
        (_, _, file) = connection.execute("PRAGMA database_list").fetchone()
        if file == database:
            connection.set_trace_callback(note)
        return connection

    driver.connect = watched  # SQLAlchemy tells no listener of the platform's own engines


def read_counts(folder: Path) -> dict[str, int]:
    """Return what has been counted so far, by all processes."""
    return {name: (folder / name).stat().st_size for name in (LOOKUPS, POLLS)}
