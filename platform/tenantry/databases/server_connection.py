"""Connections to PostgreSQL servers that the watchdog can abort, and whose time is measured.

Like all that imports the driver, this module is loaded where a server is used, and not before.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from tenantry.databases.timing import timed
from tenantry.databases.watchdog import WATCHDOG

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_ADDRESS = frozenset({"autocommit", "connect_timeout", "context", "prepare_threshold"})


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that can be cut off while a thread waits on it."""

    waiting_since = 0.0
    """When the thread began to wait that does now; 0 if none does."""

    waiting_thread = 0
    """Which one that is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ending = threading.Lock()
        self.address = ""
        self.on_abort: Callable[[], None] = _nobody

    def begin_waiting(self) -> None:
        """Say that a thread is about to wait for the server."""
        self.waiting_thread = threading.get_ident()
        self.waiting_since = time.monotonic()

    def end_waiting(self) -> None:
        """Say that it does not wait any more."""
        with self._ending:  # afterwards the socket may be closed, and its number another one's
            self.waiting_since = 0.0

    def wait(self, *arguments: Any, **options: Any) -> Any:
        """Wait as the driver does, and let that be seen."""
        self.begin_waiting()
        try:
            return super().wait(*arguments, **options)
        finally:
            self.end_waiting()

    def watch(self, address: str, on_abort: Callable[[], None] | None = None) -> None:
        """Have the connection watched from now on.

        :param address: How the server is reached; who has the same one shares its fate.
        :param on_abort: Called after the connection is aborted.
        """
        self.address = address
        self.on_abort = on_abort or _nobody
        WATCHDOG.add(self)

    def abort(self, since: float) -> bool:
        """End the connection under the thread that waits since *since*; say whether it still did."""
        with self._ending:
            if self.waiting_since != since:
                return False
            self._shut_down()
        self.on_abort()
        return True

    def interrupt(self, thread: int) -> None:
        """End the connection if *thread* waits on it. The server is not at fault."""
        with self._ending:
            if self.waiting_since and self.waiting_thread == thread:
                self._shut_down()

    def _shut_down(self) -> None:
        # Not closed, which is its own thread's to do: that one wakes, and sees that it is over.
        with suppress(OSError), socket.socket(fileno=os.dup(self.pgconn.socket)) as copy:
            copy.shutdown(socket.SHUT_RDWR)


class TimedServerCursor(psycopg.Cursor[Any]):
    """A cursor on PostgreSQL whose statements are counted."""

    execute = timed(psycopg.Cursor.execute)
    executemany = timed(psycopg.Cursor.executemany)


class TimedServerConnection(WatchedConnection):
    """A connection to PostgreSQL whose statements, commits and rollbacks are counted."""

    commit = timed(WatchedConnection.commit)
    rollback = timed(WatchedConnection.rollback)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cursor_factory = TimedServerCursor


def address_of(*arguments: Any, **options: Any) -> str:
    """Return what the driver is told about a server, in one line that leads there again."""
    return make_conninfo(
        *arguments, **{name: value for name, value in options.items() if name not in _NO_ADDRESS}
    )


def _nobody() -> None:
    """Tell nobody."""
