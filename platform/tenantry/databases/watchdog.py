"""Aborts connections to a PostgreSQL server that has stopped answering.

A server that is stopped in the middle, or a network that drops packets, keeps threads that wait for
an answer waiting for ever: timeouts of statements are the server's own. Every thread of a worker would
end up there, and the neighbours on other servers with them. So a thread watches how long others have
been waiting; when it is long, it asks the server itself, by a connection of its own. A server that has
work to do greets it at once, and then nobody is disturbed.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakSet

from tenantry.resources.background_thread import BackgroundThread

if TYPE_CHECKING:
    from tenantry.databases.server_connection import WatchedConnection

log = logging.getLogger(__name__)

SILENT_SECONDS = 2.0
"""How long an answer may take before the server is asked whether it is there."""
ASK_SECONDS = 6
"""For a new connection to be greeted: a machine with far too much to do takes its time as well."""
LOOK_SECONDS = 0.5
"""Between two looks at who waits."""


class ConnectionWatchdog:
    """The process's watch over its connections; its thread starts with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: WeakSet[WatchedConnection] = WeakSet()
        self._thread: BackgroundThread | None = None
        os.register_at_fork(after_in_child=self._forget)

    def add(self, connection: WatchedConnection) -> None:
        """Watch a connection until it is gone."""
        with self._lock:
            self._watched.add(connection)
            if self._thread is None:
                self._thread = BackgroundThread("watchdog", self._run)
                self._thread.start()

    def interrupt(self, thread: int) -> None:
        """End the connections on which *thread* waits."""
        with self._lock:
            watched = [one for one in self._watched if not one.closed]
        for one in watched:
            one.interrupt(thread)

    def look(self) -> int:
        """Cut off who waits for a server that is not there; return how many that were."""
        now = time.monotonic()
        with self._lock:
            watched = [one for one in self._watched if not one.closed]
        stuck: dict[str, list[tuple[WatchedConnection, float]]] = {}
        for one in watched:
            since = one.waiting_since
            if since and now - since >= SILENT_SECONDS:
                stuck.setdefault(one.address, []).append((one, since))
        cut = 0
        for address, waiting in stuck.items():
            if not _is_there(address):
                gone = sum(one.abort(since) for one, since in waiting)
                log.error("a PostgreSQL server does not answer: %d connections aborted", gone)
                cut += gone
        return cut

    def _run(self) -> None:
        thread = self._thread
        while thread is not None:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._watched:
                    thread = self._thread = None
                    break
            thread.run_safely(self.look)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._watched, self._thread = WeakSet(), None


WATCHDOG = ConnectionWatchdog()
"""The process's own."""


def _is_there(address: str) -> bool:
    """Say whether the server greets, or refuses, a new connection."""
    import psycopg  # noqa: PLC0415 - who has such a connection has the driver

    try:
        psycopg.connect(address, connect_timeout=ASK_SECONDS).close()
    except psycopg.errors.ConnectionTimeout:
        return False
    except psycopg.Error:
        return True  # it has spoken; or it is gone, and its connections end by themselves
    return True
