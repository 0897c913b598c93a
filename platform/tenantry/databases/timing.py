"""Connections whose time is counted: each adds what it took to :data:`tenantry.usage.SPENT`.

SQLite works while rows are fetched as much as while a statement begins, and waits for the disk at the
commit: all three are counted, in the thread that asked. From PostgreSQL all rows have come when a
statement ends.
"""

from __future__ import annotations

import sqlite3
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import psycopg

from tenantry.stalls import WatchedConnection
from tenantry.usage import SPENT

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def _timed(method: Callable[P, R]) -> Callable[P, R]:
    @wraps(method)
    def timed(*arguments: P.args, **options: P.kwargs) -> R:
        started = perf_counter()
        try:
            return method(*arguments, **options)
        finally:
            SPENT.database += perf_counter() - started

    return timed


class TimedCursor(sqlite3.Cursor):
    """A cursor whose statements and fetches are counted."""

    execute = _timed(sqlite3.Cursor.execute)
    executemany = _timed(sqlite3.Cursor.executemany)
    executescript = _timed(sqlite3.Cursor.executescript)
    fetchone = _timed(sqlite3.Cursor.fetchone)
    fetchmany = _timed(sqlite3.Cursor.fetchmany)
    fetchall = _timed(sqlite3.Cursor.fetchall)


class TimedConnection(sqlite3.Connection):
    """A connection whose cursors, commits and rollbacks are counted."""

    commit = _timed(sqlite3.Connection.commit)
    rollback = _timed(sqlite3.Connection.rollback)

    def cursor(self, factory: Any = TimedCursor) -> Any:
        """Return a cursor that is counted, unless another kind is asked for."""
        return super().cursor(factory)

    # The driver's own short-cuts would make a cursor of the plain kind.

    def execute(self, *arguments: Any) -> Any:
        """Run a statement with a cursor of its own."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Run a statement many times with a cursor of its own."""
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """Run a script with a cursor of its own."""
        return self.cursor().executescript(*arguments)


class TimedServerCursor(psycopg.Cursor[Any]):
    """A cursor on PostgreSQL whose statements are counted."""

    execute = _timed(psycopg.Cursor.execute)
    executemany = _timed(psycopg.Cursor.executemany)


class TimedServerConnection(WatchedConnection):
    """A connection to PostgreSQL whose statements, commits and rollbacks are counted."""

    commit = _timed(WatchedConnection.commit)
    rollback = _timed(WatchedConnection.rollback)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = TimedServerCursor
