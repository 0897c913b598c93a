"""A connection to a tenant's file that never writes, and hears of every commit by anybody."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from typing import TYPE_CHECKING

from tenantry.databases.sqlite_connections import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SERIALS = itertools.count(1)


class FileWatch:
    """Numbers what a file contains: two equal numbers mean the same content.

    ``PRAGMA data_version`` changes on a connection whenever another one has committed, in this process
    or in any other. This one writes nothing, so that every commit is another one's. Each call reads the
    head of the write-ahead log's index in shared memory, and takes some microseconds.

    :param connect: Opens the file for this watch alone.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        self.path = path
        self.connect = connect
        # Owns the connection, which only one thread may use at a time.
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._serial = 0
        self._is_over = False

    @property
    def is_open(self) -> bool:
        """Whether it has a connection."""
        return self._connection is not None

    def number(self) -> tuple[int, int] | None:
        """Return the number of the content; ``None`` if it cannot be told just now."""
        with self._lock:
            if self._is_over:
                return None
            try:
                return self._ask()
            except sqlite3.Error:  # locked for a recovery, gone, or in a folder that is read-only
                self._drop()
                return None

    def close(self) -> None:
        """Close the connection for good."""
        with self._lock:
            self._is_over = True
            self._drop()

    def _ask(self) -> tuple[int, int] | None:
        # An open handle outlives the name: a restored file would be another one.
        identity = identity_of(str(self.path))
        if identity is None:
            self._drop()
            return None
        if self._connection is None or identity != self._identity:
            self._drop()
            self._connection = self.connect()
            self._identity = identity_of(str(self.path))
            if self._identity != identity:  # replaced just now: which one is open is not known
                self._drop()
                return None
            self._serial = next(_SERIALS)  # the versions of two connections cannot be compared
        # All rows: a statement that is not at its end would keep the content as it was.
        ((version,),) = self._connection.execute("PRAGMA data_version").fetchall()
        return self._serial, version

    def _drop(self) -> None:
        connection, self._connection, self._identity = self._connection, None, None
        if connection is not None:
            connection.close()
