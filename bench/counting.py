"""Counts the queries of a process to its catalog from below: each statement that SQLite runs.

A query adds one byte to a file, so that all processes count together, and the file's size is the sum.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

if TYPE_CHECKING:
    from pathlib import Path

LOOKUPS, POLLS = "lookups", "polls"


def count_queries(database: str, into: Path) -> None:
    """Count what any engine that is made from now on asks of *database*.

    :param into: The folder of the counts: ``polls`` are the queries for the newest change's number,
        ``lookups`` all others.
    """
    appending = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    lookups, polls = (os.open(into / name, appending, 0o600) for name in (LOOKUPS, POLLS))

    def note(statement: str) -> None:
        if statement.startswith("SELECT"):
            os.write(polls if "FROM heads" in statement else lookups, b".")

    @event.listens_for(Engine, "connect")
    def watch(connection: Any, _record: Any) -> None:
        (_, _, file) = connection.execute("PRAGMA database_list").fetchone()
        if file == database:
            connection.set_trace_callback(note)


def read_counts(folder: Path) -> dict[str, int]:
    """Return what has been counted so far, by all processes."""
    return {name: (folder / name).stat().st_size for name in (LOOKUPS, POLLS)}
