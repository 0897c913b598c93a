"""Whether somebody stands at the server's door for whom no thread is free."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Listeners:
    """The sockets that the server accepts connections from; it looks at them and takes nothing.

    A listening socket is readable while a connection waits to be accepted. Idle threads accept at
    once, so one that goes on waiting means that every thread is busy.

    :param descriptors: Listening sockets, inherited by the process that asks.
    """

    def __init__(self, descriptors: Iterable[int]) -> None:
        self._poll = select.epoll()  # unlike select.poll it may be asked by many threads at once
        self._known = 0
        for descriptor in descriptors:
            self._poll.register(descriptor, select.EPOLLIN)
            self._known += 1

    def somebody_waits(self) -> bool:
        """Say whether a connection waits. One system call, a microsecond."""
        return bool(self._known and self._poll.poll(0, 1))

    def close(self) -> None:
        """Stop looking: nobody waits any more."""
        self._known = 0
        self._poll.close()
