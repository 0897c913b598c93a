"""SQLAlchemy engines of tenants' SQLite files, within the process's budget.

An engine made by ``create_engine`` compiles every statement anew and carries a dialect of its own.
These share both, so that a tenant's first page costs no compiling and an engine some microseconds.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import quote

from sqlalchemy import URL, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.util import LRUCache

from tenantry.databases.engine_cache import (
    IDLE_CONNECTIONS,
    MAX_OVERFLOW,
    ClosingPool,
    Counted,
    EngineCache,
)
from tenantry.databases.file_watch import FileWatch
from tenantry.databases.refusal import tell_moves
from tenantry.databases.sqlite_connections import (
    BUSY_SECONDS,
    DESCRIPTORS,
    check_own,
    guard,
    lacks_index,
)
from tenantry.databases.timing import Limit, TimedConnection
from tenantry.resources.budget import Budget

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.pool import ConnectionPoolEntry

STATEMENTS = 2000
"""Compiled statements kept for all tenants together."""


class OpenEngines(EngineCache[Path]):
    """The open files of a process. An engine connects at first use and never creates its file."""

    descriptors_each = DESCRIPTORS

    def __init__(self, budget: Budget | None = None) -> None:
        super().__init__(budget or Budget())

    def get(self, key: Path, *, statement_seconds: float = 0.0) -> Engine:
        """Return the engine of the file *key*, which connects at first use.

        :param statement_seconds: How long a statement may take from now on; 0 sets no limit.
        """
        engine = super().get(key)
        assert isinstance(engine.pool, _Pool)
        engine.pool.limit.seconds = statement_seconds
        return engine

    def content_number(self, path: Path) -> tuple[int, int] | None:
        """Return the number of what a file contains; see :class:`FileWatch`."""
        pool = super().get(path).pool
        assert isinstance(pool, _Pool)
        if not pool.watch.is_open:
            self.trim(
                room=1
            )  # not under the watch's lock: this closes others, which have locks too
        return pool.watch.number()

    def _count_idle(self, engine: Engine) -> int:
        pool = engine.pool
        assert isinstance(pool, _Pool)
        return pool.checkedin() + pool.watch.is_open

    def _connect(self, uri: str, limit: Limit, *, timeout: float = BUSY_SECONDS) -> _Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=timeout, check_same_thread=False, factory=_Connection
        )
        connection.limit(limit)
        self._count(connection)
        return connection

    def _make(self, path: Path) -> Engine:
        dialect, statements = _shared()
        on_connect = dialect.on_connect()
        uri = f"file:{quote(str(path))}?mode=rw"
        limit = Limit()

        def connect() -> Any:
            check_own(path)
            self.trim(room=1)
            connection = self._connect(uri, limit)
            try:
                # With a cursor that ends here: one that a traceback keeps would keep the file open.
                with closing(connection.cursor()) as cursor:
                    cursor.execute("PRAGMA schema_version")  # opens the log and its index
            except sqlite3.Error as error:
                connection.close()
                if not lacks_index(error, path):
                    raise
                connection = self._connect(f"{uri}&immutable=1", limit)
                connection.is_makeshift = True
            if on_connect is not None:
                on_connect(connection)
            return connection

        def watch() -> _Connection:
            check_own(path)
            # Without waiting for a lock: meanwhile the page is rendered.
            return self._connect(uri, limit, timeout=0)

        pool = _Pool(
            connect, pool_size=IDLE_CONNECTIONS, max_overflow=MAX_OVERFLOW, dialect=dialect
        )
        pool.limit = limit
        pool.watch = FileWatch(path, watch)
        return Engine(
            pool,
            dialect,
            URL.create("sqlite", database=str(path)),
            # A cache of its own would refer back to the engine: a cycle, which a frozen heap keeps.
            query_cache_size=0,
            execution_options={"compiled_cache": statements},
            hide_parameters=True,
        )


class _Connection(Counted, TimedConnection):
    """A connection that is counted."""

    is_makeshift = False
    """Whether it only reads, and neither locks the file nor sees what others write to it."""


class _Pool(ClosingPool):
    """A pool whose connections are confined."""

    limit: Limit
    """How long their statements may take."""
    watch: FileWatch
    """Numbers the file's content for the page cache."""

    def dispose(self) -> None:
        """Close what is open, and the watch with it."""
        super().dispose()
        self.watch.close()

    def recreate(self) -> Self:
        """Return the pool that follows this one when its engine is disposed of."""
        pool = cast("Self", super().recreate())
        pool.limit = self.limit  # connections are still made with it
        pool.watch = FileWatch(self.watch.path, self.watch.connect)
        return pool


def _leave_makeshift(connection: Any, record: ConnectionPoolEntry) -> None:
    # Its pages would stay as they are for ever; the next request tries the proper way again.
    if connection is not None and connection.is_makeshift:
        record.close()


guard(_Pool)  # for all at once: listeners of its own would double what an engine costs
event.listen(_Pool, "checkin", _leave_makeshift)


@lru_cache(maxsize=1)
def _shared() -> tuple[Dialect, Any]:
    """Return the dialect, which has seen one connection, and the cache of statements."""
    template = create_engine("sqlite://")
    with template.connect():
        pass
    template.dispose()
    tell_moves(template.dialect)
    return template.dialect, LRUCache(STATEMENTS)


ENGINES = OpenEngines()
"""The process's open files, whichever app they serve. The composition root gives them its budget."""
