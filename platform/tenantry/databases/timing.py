"""Measures database time per request in :data:`tenantry.resources.usage.SPENT`.

SQLite works while rows are fetched as much as while a statement begins, and waits for the disk at the
commit: all three are counted, in the thread that asked. From PostgreSQL all rows have come when a
statement ends; its connections are in ``server_connection``, because they need its driver.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import wraps
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tenantry.resources.usage import SPENT

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 100_000
"""Of SQLite's machine, between two looks at the clock: some milliseconds."""

P = ParamSpec("P")
R = TypeVar("R")


def timed(method: Callable[P, R]) -> Callable[P, R]:
    """Count what a call of *method* takes."""

    @wraps(method)
    def measured(*arguments: P.args, **options: P.kwargs) -> R:
        started = perf_counter()
        try:
            return method(*arguments, **options)
        finally:
            SPENT.database += perf_counter() - started

    return measured


@dataclass(eq=False, slots=True)
class Limit:
    """How long each statement may take, on all connections of an engine."""

    seconds: float = 0.0
    """0 sets no limit."""


class Deadline:
    """How much of a limit is left on one connection; only what SQLite works is counted."""

    __slots__ = ("_left", "_limit", "_until")

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._left = self._until = inf

    def begin(self) -> None:
        """Begin a statement."""
        self._left = self._limit.seconds or inf

    def go_on(self, now: float) -> None:
        """Work on it from now on."""
        self._until = now + self._left

    def pause(self, worked: float) -> None:
        """Do something else, after so many seconds of work."""
        self._left -= worked

    def is_over(self) -> bool:
        """Say whether the statement has taken too long; SQLite then ends it."""
        return perf_counter() > self._until


def _counted(method: Callable[P, R], *, begins: bool = False) -> Callable[P, R]:
    """Count the time of a cursor's method, also against the deadline of its connection."""

    @wraps(method)
    def counted(*arguments: P.args, **options: P.kwargs) -> R:
        deadline: Deadline = arguments[0].connection.deadline  # type: ignore[attr-defined]
        if begins:
            deadline.begin()
        started = perf_counter()
        deadline.go_on(started)
        try:
            return method(*arguments, **options)
        finally:
            worked = perf_counter() - started
            deadline.pause(worked)
            SPENT.database += worked

    return counted


class TimedCursor(sqlite3.Cursor):
    """A cursor whose statements and fetches are counted."""

    execute = _counted(sqlite3.Cursor.execute, begins=True)
    executemany = _counted(sqlite3.Cursor.executemany, begins=True)
    executescript = _counted(sqlite3.Cursor.executescript, begins=True)
    fetchone = _counted(sqlite3.Cursor.fetchone)
    fetchmany = _counted(sqlite3.Cursor.fetchmany)
    fetchall = _counted(sqlite3.Cursor.fetchall)


class TimedConnection(sqlite3.Connection):
    """A connection whose cursors, commits and rollbacks are counted."""

    commit = timed(sqlite3.Connection.commit)
    rollback = timed(sqlite3.Connection.rollback)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.deadline = Deadline(Limit())

    def limit(self, limit: Limit) -> None:
        """End statements that take longer than this says, also when it says something else later."""
        self.deadline = Deadline(limit)
        self.set_progress_handler(self.deadline.is_over, STEPS)

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
