"""A cache of SQLAlchemy engines, one for each tenant, within the process's budget."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import WeakSet

from sqlalchemy.pool import QueuePool
from sqlalchemy.util.queue import Empty

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import ConnectionPoolEntry

    from tenantry.resources.budget import Budget, Footprint

Key = TypeVar("Key")

IDLE_CONNECTIONS = 1
"""Kept open for each tenant."""
MAX_OVERFLOW = 15
"""Connections of one tenant beyond the idle one; they close when they come back."""


class ClosingPool(QueuePool):
    """A pool that stays empty once it is disposed of.

    SQLAlchemy's own keeps what was in use then, as soon as it comes back, until the collector finds it.
    """

    disposed = False

    def dispose(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self.disposed = True
        self._close_idle()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        if self.disposed:  # asked afterwards: a disposal in between would have missed it
            self._close_idle()

    def _close_idle(self) -> None:
        while True:
            try:
                record = self._pool.get(block=False)
            except Empty:
                return
            try:
                record.close()
            finally:
                self._dec_overflow()


class Counted:
    """What makes a driver's connection stand in a set while it is open; it comes before its class."""

    among: WeakSet[Any]

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        self.among.discard(self)


class EngineCache(ABC, Generic[Key]):
    """The open engines of a process, and the connections that they keep between requests.

    Where the budget ends, idle engines are closed, the least recently used one first. What is in use
    is never cut off: it ends when it is given back.

    :param budget: How many connections and descriptors there may be.
    """

    descriptors_each = 1
    """File descriptors that a connection takes."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._open: WeakSet[Any] = WeakSet()
        self._judged: Footprint | None = None
        # Owns what is below. Nothing is opened or closed under it.
        self._lock = threading.Lock()
        self._engines: OrderedDict[Key, Engine] = OrderedDict()  # least recently used first

    @abstractmethod
    def _make(self, key: Key) -> Engine:
        """Return a new engine, which connects at first use, and calls :meth:`trim` before."""

    def __len__(self) -> int:
        return len(self._engines)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} engines, {self.connections} connections>"

    @property
    def connections(self) -> int:
        """How many connections are open now, idle or in use."""
        return len(self._open)

    def get(self, key: Key) -> Engine:
        """Return the engine of *key*, which connects at first use."""
        with self._lock:
            engine = self._engines.get(key)
            if engine is not None:
                self._engines.move_to_end(key)
                return engine
        made = self._make(key)
        closing: list[Engine] = []
        with self._lock:
            engine = self._engines.setdefault(key, made)
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
        idle: list[Key] = []
        with self._lock:
            for key, engine in self._engines.items():
                if kept := self._count_idle(engine):
                    idle.append(key)
                    surplus -= kept
                if surplus <= 0:
                    break
            closing = [self._engines.pop(key) for key in idle]
        _close(closing)

    def close(self, key: Key) -> None:
        """Close the engine of *key*, if it is open."""
        with self._lock:
            engine = self._engines.pop(key, None)
        if engine is not None:
            _close([engine])

    def clear(self) -> None:
        """Close all."""
        with self._lock:
            engines = list(self._engines.values())
            self._engines.clear()
        _close(engines)

    def _count_idle(self, engine: Engine) -> int:
        """Return how many connections closing the engine would close."""
        return cast("QueuePool", engine.pool).checkedin()

    def _count(self, connection: Counted) -> None:
        """Count a connection until it is closed."""
        connection.among = self._open
        self._open.add(connection)

    def _surplus(self, room: int) -> int:
        """Return how many connections are too many."""
        surplus = len(self._open) + room - self.budget.connections
        footprint = self.budget.footprint()
        if footprint is not self._judged:  # one figure, one answer: it is as old as it was
            self._judged = footprint
            descriptors = footprint.descriptors - self.budget.descriptors
            surplus = max(surplus, -(-descriptors // self.descriptors_each))
        return surplus


def _close(engines: Iterable[Engine]) -> None:
    for engine in engines:
        # Not the engine's own dispose(): that makes a new pool, which a thread that still holds the
        # engine would fill again, unseen.
        engine.pool.dispose()
