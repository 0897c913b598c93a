"""Limits the threads that wait for arriving request bodies, and aborts slow ones."""

from __future__ import annotations

import logging
import math
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

SLOW_SECONDS = 0.5
"""A body that takes longer is slow. A request waits for those that may be quick, and no longer.

A body that has arrived already takes no time to read, but on a busy machine its thread may have to wait
for its turn.
"""

LOOK_SECONDS = 0.05
"""Between two looks of a request that waits."""

GRACE_SECONDS = 10.0
"""How long a body may take in any case, over and above what :data:`MIN_RATE` allows."""

MIN_RATE = 8 * 1024
"""Bytes per second that a client has to send on average after the grace."""


class Sending:
    """One read that waits for a client; ``deadline`` is when its connection is cut."""

    __slots__ = ("began", "client", "deadline", "descriptor")

    def __init__(
        self, client: str, descriptor: int | None, *, began: float, deadline: float
    ) -> None:
        self.client = client
        self.descriptor = descriptor
        self.began = began
        self.deadline = deadline


class Senders:
    """The requests of a worker whose bodies are being read.

    A server's read blocks a thread until the client has sent what was asked for, and each byte that
    comes starts the server's own timeout anew. So the number of such threads is limited, and a second
    thread cuts off the connections that are too slow.

    :param most: Requests at once, at most.
    :param most_of_client: Requests of one client at once, at most.
    """

    def __init__(
        self, *, most: int, most_of_client: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._most_of_client = most_of_client
        self.clock = clock
        self._present: set[Sending] = set()
        self._changed = threading.Condition()
        self.refused = 0
        """Requests that found no place."""
        self.aborted = 0
        """Connections that were cut because they were too slow."""

    def enter(
        self,
        client: str,
        descriptor: int | None,
        *,
        allowed: float = math.inf,
        waited: float | None = None,
    ) -> Sending | None:
        """Return a place for one read, or ``None`` if slow clients have them all.

        :param allowed: Seconds after which the connection is cut.
        :param waited: Seconds that the body has been waited for already. What has begun to come in is
            read to its end; ``None`` if it has not begun.
        """
        until = time.monotonic() + SLOW_SECONDS
        with self._changed:
            while waited is None and (in_the_way := self._in_the_way(client)):
                slow_since = self.clock() - SLOW_SECONDS
                all_slow = all(other.began <= slow_since for other in in_the_way)
                if all_slow or time.monotonic() >= until:
                    self.refused += 1
                    return None
                self._changed.wait(LOOK_SECONDS)
            now = self.clock()
            began = now - (waited or 0.0)
            sending = Sending(client, descriptor, began=began, deadline=now + allowed)
            self._present.add(sending)
        return sending

    def leave(self, sending: Sending) -> None:
        """Give the place back. The connection is the server's own again after that."""
        with self._changed:
            self._present.discard(sending)
            self._changed.notify_all()

    def abort_overdue(self) -> None:
        """Cut the connections whose deadline is over: the read that waits there then fails."""
        with self._changed:  # so that no descriptor can be another connection's by now
            now = self.clock()
            for sending in self._present:
                if sending.deadline <= now and sending.descriptor is not None:
                    sending.deadline = math.inf
                    self.aborted += 1
                    _stop_reading(sending.descriptor)
                    log.info("aborted a request body from %s: it came too slowly", sending.client)

    def _in_the_way(self, client: str) -> list[Sending]:
        """Return the requests one of which has to end first; none if there is a place."""
        if len(self._present) >= self._most:
            return list(self._present)
        if not client:  # without an address all clients would count as one
            return []
        own = [sending for sending in self._present if sending.client == client]
        return own if len(own) >= self._most_of_client else []


def _stop_reading(descriptor: int) -> None:
    # Only this direction: the client can still be told why.
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RD)
