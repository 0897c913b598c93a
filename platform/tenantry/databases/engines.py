"""Engines of tenants' SQLite files: light, bounded in number, opened when asked for.

An engine made by ``create_engine`` compiles every statement anew and carries a dialect of its own.
These share both, so that a tenant's first page costs no compiling and an engine some microseconds.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import LRUCache

from tenantry.databases.sqlite import BUSY_SECONDS, IDLE_CONNECTIONS, MAX_OVERFLOW, confine

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Dialect

STATEMENTS = 2000
"""Compiled statements kept for all tenants together."""


class OpenEngines:
    """The open engines of a process, at most *limit*; the least recently used one is closed.

    Closing an engine ends its idle connections. One that is in use ends when it is given back.
    """

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit
        self._engines: OrderedDict[Path, Engine] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._engines)

    def get(self, path: Path) -> Engine:
        """Return the engine of the file *path*; it connects at first use and never creates."""
        closing: list[Engine] = []
        with self._lock:
            engine = self._engines.pop(path, None) or _engine(path)
            self._engines[path] = engine
            while len(self._engines) > self.limit:
                closing.append(self._engines.popitem(last=False)[1])
        for other in closing:
            other.dispose()
        return engine

    def close(self, path: Path) -> None:
        """Close the file's engine, if it is open."""
        with self._lock:
            engine = self._engines.pop(path, None)
        if engine is not None:
            engine.dispose()

    def clear(self) -> None:
        """Close all."""
        with self._lock:
            engines = list(self._engines.values())
            self._engines.clear()
        for engine in engines:
            engine.dispose()


def _engine(path: Path) -> Engine:
    dialect, statements = _shared()
    uri = f"file:{quote(str(path))}?mode=rw"

    def connect() -> Any:
        return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)

    pool = QueuePool(
        connect, pool_size=IDLE_CONNECTIONS, max_overflow=MAX_OVERFLOW, dialect=dialect
    )
    on_connect = dialect.on_connect()
    if on_connect is not None:
        event.listen(pool, "connect", lambda connection, _record: on_connect(connection))
    engine = Engine(pool, dialect, make_url(f"sqlite:///{path}"))
    engine.update_execution_options(compiled_cache=statements)
    return confine(engine)


@lru_cache(maxsize=1)
def _shared() -> tuple[Dialect, Any]:
    """Return the dialect, which has seen one connection, and the cache of statements."""
    template = create_engine("sqlite://")
    with template.connect():
        pass
    template.dispose()
    return template.dialect, LRUCache(STATEMENTS)
