"""Detects queued connections for which no thread is free."""

from __future__ import annotations

import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Listeners:
    """The sockets that the server accepts connections from; it looks at them and takes nothing.

    A listening socket is readable while a connection waits to be accepted. On a busy machine that
    does not tell that a thread is missing: one whose request has ended may be slow to accept the next
    connection, often of the very client that it has just answered. So the busy ones are counted.

    :param threads: Threads of the server that take requests; 0 if nobody counts the busy ones.
    :param find: Returns the listening sockets of this process. It is asked with the first question:
        some servers open theirs when the application has been loaded. Without it, or if it finds
        none, there is never a backlog.
    """

    def __init__(self, find: Callable[[], Iterable[int]] = tuple, *, threads: int = 0) -> None:
        self.busy: set[int] = set()
        """Identifiers of the threads that are in a request; the access log keeps the set."""
        self._threads = threads
        self._find: Callable[[], Iterable[int]] | None = find
        self._lock = threading.Lock()
        self._poll = select.epoll()  # unlike select.poll it may be asked by many threads at once
        self._known = 0

    def has_backlog(self) -> bool:
        """Say whether a connection is queued for which no thread is free."""
        return len(self.busy) >= self._threads and self.has_queued()

    def has_queued(self) -> bool:
        """Say whether a connection is queued. One system call, a microsecond."""
        if self._find is not None:
            self._open()
        return bool(self._known and self._poll.poll(0, 1))

    def wake(self, poll: select.poll) -> None:
        """Let *poll* return as soon as a connection is queued."""
        if self._known:
            poll.register(self._poll, select.POLLIN)

    def _open(self) -> None:
        with self._lock:
            find, self._find = self._find, None
            for descriptor in find() if find is not None else ():
                self._poll.register(descriptor, select.EPOLLIN)
                self._known += 1

    def close(self) -> None:
        """Stop looking: there is no backlog any more."""
        self._find, self._known = None, 0
        self._poll.close()
