"""Engines of tenants' SQLite files: light, opened when asked for, within the process's budget.

An engine made by ``create_engine`` compiles every statement anew and carries a dialect of its own.
These share both, so that a tenant's first page costs no compiling and an engine some microseconds.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from contextlib import closing
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote
from weakref import WeakSet

from sqlalchemy import URL, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

from tenantry.budget import Budget
from tenantry.databases.sqlite import (
    BUSY_SECONDS,
    DESCRIPTORS,
    IDLE_CONNECTIONS,
    MAX_OVERFLOW,
    SitePool,
    guard,
    lacks_index,
)
from tenantry.databases.timing import TimedConnection

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy.engine import Dialect
    from sqlalchemy.pool import ConnectionPoolEntry

    from tenantry.budget import Footprint

STATEMENTS = 2000
"""Compiled statements kept for all tenants together."""


class OpenEngines:
    """The open engines of a process, and the connections that they keep between requests.

    Where the budget ends, idle engines are closed, the least recently used one first. What is in use
    is never cut off: it ends when it is given back.

    :param budget: How many connections and descriptors there may be.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._open: WeakSet[_Connection] = WeakSet()
        self._judged: Footprint | None = None
        # Owns what is below. Nothing is opened or closed under it.
        self._lock = threading.Lock()
        self._engines: OrderedDict[Path, Engine] = OrderedDict()  # least recently used first

    def __len__(self) -> int:
        return len(self._engines)

    def __repr__(self) -> str:
        return f"<OpenEngines: {len(self)} engines, {self.connections} connections>"

    @property
    def connections(self) -> int:
        """How many connections are open now, idle or in use."""
        return len(self._open)

    def get(self, path: Path) -> Engine:
        """Return the engine of the file *path*; it connects at first use and never creates."""
        with self._lock:
            engine = self._engines.get(path)
            if engine is not None:
                self._engines.move_to_end(path)
                return engine
        made = self._make(path)
        closing: list[Engine] = []
        with self._lock:
            engine = self._engines.setdefault(path, made)
            # Each keeps one connection, or none and some memory.
            while len(self._engines) > self.budget.connections:
                closing.append(self._engines.popitem(last=False)[1])
        _close(closing)
        return engine

    def trim(self, *, room: int = 0) -> None:
        """Close idle engines until the budget holds with *room* for so many connections more."""
        surplus = self._surplus(room)
        if surplus <= 0:
            return
        idle: list[Path] = []
        with self._lock:
            for path, engine in self._engines.items():
                if kept := cast("_Pool", engine.pool).checkedin():
                    idle.append(path)
                    surplus -= kept
                if surplus <= 0:
                    break
            closing = [self._engines.pop(path) for path in idle]
        _close(closing)

    def close(self, path: Path) -> None:
        """Close the file's engine, if it is open."""
        with self._lock:
            engine = self._engines.pop(path, None)
        if engine is not None:
            _close([engine])

    def clear(self) -> None:
        """Close all."""
        with self._lock:
            engines = list(self._engines.values())
            self._engines.clear()
        _close(engines)

    def _surplus(self, room: int) -> int:
        """Return how many connections are too many."""
        surplus = len(self._open) + room - self.budget.connections
        footprint = self.budget.footprint()
        if footprint is not self._judged:  # one figure, one answer: it is as old as it was
            self._judged = footprint
            descriptors = footprint.descriptors - self.budget.descriptors
            surplus = max(surplus, -(-descriptors // DESCRIPTORS))
        return surplus

    def _connect(self, uri: str) -> _Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, factory=_Connection
        )
        connection.among = self._open
        self._open.add(connection)
        return connection

    def _make(self, path: Path) -> Engine:
        dialect, statements = _shared()
        on_connect = dialect.on_connect()
        uri = f"file:{quote(str(path))}?mode=rw"

        def connect() -> Any:
            self.trim(room=1)
            connection = self._connect(uri)
            try:
                # With a cursor that ends here: one that a traceback keeps would keep the file open.
                with closing(connection.cursor()) as cursor:
                    cursor.execute("PRAGMA schema_version")  # opens the log and its index
            except sqlite3.Error as error:
                connection.close()
                if not lacks_index(error, path):
                    raise
                connection = self._connect(f"{uri}&immutable=1")
                connection.is_makeshift = True
            if on_connect is not None:
                on_connect(connection)
            return connection

        pool = _Pool(
            connect, pool_size=IDLE_CONNECTIONS, max_overflow=MAX_OVERFLOW, dialect=dialect
        )
        return Engine(
            pool,
            dialect,
            URL.create("sqlite", database=str(path)),
            # A cache of its own would refer back to the engine: a cycle, which a frozen heap keeps.
            query_cache_size=0,
            execution_options={"compiled_cache": statements},
        )


class _Connection(TimedConnection):
    """A connection that stands in a set while it is open."""

    among: WeakSet[_Connection]
    is_makeshift = False
    """Whether it only reads, and neither locks the file nor sees what others write to it."""

    def close(self) -> None:
        super().close()
        self.among.discard(self)


class _Pool(SitePool):
    """A pool whose connections are confined."""


def _leave_makeshift(connection: Any, record: ConnectionPoolEntry) -> None:
    # Its pages would stay as they are for ever; the next request tries the proper way again.
    if connection is not None and connection.is_makeshift:
        record.close()


guard(_Pool)  # for all at once: listeners of its own would double what an engine costs
event.listen(_Pool, "checkin", _leave_makeshift)


def _close(engines: Iterable[Engine]) -> None:
    for engine in engines:
        # Not the engine's own dispose(): that makes a new pool, which a thread that still holds the
        # engine would fill again, unseen.
        engine.pool.dispose()


@lru_cache(maxsize=1)
def _shared() -> tuple[Dialect, Any]:
    """Return the dialect, which has seen one connection, and the cache of statements."""
    template = create_engine("sqlite://")
    with template.connect():
        pass
    template.dispose()
    return template.dialect, LRUCache(STATEMENTS)
