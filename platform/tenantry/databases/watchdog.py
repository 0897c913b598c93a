"""Connections to a PostgreSQL server that has stopped answering are cut off: no thread waits on.

A server that is stopped in the middle, or a network that swallows what is sent, keeps whoever waits for
an answer waiting for ever: timeouts of statements are the server's own. Every thread of a worker would
end up there, and the neighbours on other servers with them. So a thread watches how long others have
been waiting; when it is long, it asks the server itself, by a connection of its own. A server that has
work to do greets it at once, and then nobody is disturbed.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.errors import ConnectionTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

SILENT_SECONDS = 2.0
"""How long an answer may take before the server is asked whether it is there."""
ASK_SECONDS = 6
"""For a new connection to be greeted: a machine with far too much to do takes its time as well."""
LOOK_SECONDS = 0.5
"""Between two looks at who waits."""

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
        self.lost: Callable[[], None] = _nobody

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

    def watch(self, address: str, lost: Callable[[], None] | None = None) -> None:
        """Have the connection watched from now on.

        :param address: How the server is reached; who has the same one shares its fate.
        :param lost: Called when it has been cut off.
        """
        self.address = address
        self.lost = lost or _nobody
        WATCHDOG.add(self)

    def abort(self, since: float) -> bool:
        """End the connection under the thread that waits since *since*; say whether it still did."""
        with self._ending:
            if self.waiting_since != since:
                return False
            self._shut_down()
        self.lost()
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


class ConnectionWatchdog:
    """The process's watch over its connections; its thread starts with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: WeakSet[WatchedConnection] = WeakSet()
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._forget)

    def add(self, connection: WatchedConnection) -> None:
        """Watch a connection until it is gone."""
        with self._lock:
            self._watched.add(connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="stalls", daemon=True)
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
                log.error("a PostgreSQL server does not answer: %d connections cut off", gone)
                cut += gone
        return cut

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
            try:
                self.look()
            except Exception:
                log.exception("looking for servers that do not answer failed")

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._watched, self._thread = WeakSet(), None


WATCHDOG = ConnectionWatchdog()
"""The process's own."""


def address_of(*arguments: Any, **options: Any) -> str:
    """Return what the driver is told about a server, in one line that leads there again."""
    return make_conninfo(
        *arguments, **{name: value for name, value in options.items() if name not in _NO_ADDRESS}
    )


def _nobody() -> None:
    """Tell nobody."""


def _is_there(address: str) -> bool:
    """Say whether the server greets, or refuses, a new connection."""
    try:
        psycopg.connect(address, connect_timeout=ASK_SECONDS).close()
    except ConnectionTimeout:
        return False
    except psycopg.Error:
        return True  # it has spoken; or it is gone, and its connections end by themselves
    return True
