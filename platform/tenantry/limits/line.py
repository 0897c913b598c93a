"""A line: requests beyond a limit wait their turn for a short time, first come, first served.

A request that waits keeps a thread of the server. So three cases:

- Its turn is near, as the last requests tell. It waits, whatever happens: the connections that are
  queued may want the same site, and a busy site is not refused for being busy.
- Its turn is not near, and no connection needs its thread: it waits on.
- Its turn is not near, every thread is busy, and a connection is queued. It makes way.
"""

from __future__ import annotations

import os
import select
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.limits.backlog import Listeners

WAIT_SECONDS = 2.0
"""How long a request waits in a line, at most."""

NEAR_SECONDS = 0.05
"""A turn that is expected within so long is near."""

ACCEPT_SECONDS = 0.005
"""A connection that an idle thread is about to accept is looked at again after so long."""

WEIGHT = 0.25
"""What the last request counts in the mean."""


class Turn:
    """A request's place in a line. A request that joins a line leaves it on every path."""

    __slots__ = ("_wake", "granted")

    def __init__(self) -> None:
        self.granted: bool | None = None
        """Whether the turn has come; ``False`` if the line was dissolved."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def end(self, *, granted: bool) -> None:
        """Wake the request."""
        self.granted = granted
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._wake)

    def wait(self, seconds: float, listeners: Listeners | None = None) -> bool:
        """Wait until the turn ends, or a connection is queued at *listeners*; say whether it ended."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if listeners is not None:
            listeners.wake(poll)
        poll.poll(seconds * 1000)
        return self.granted is not None

    def wait_while_allowed(
        self, listeners: Listeners, *, until: float, near_for: Callable[[], float]
    ) -> bool:
        """Wait as long as a request may; say whether the turn ended.

        :param until: When it has waited long enough, by the monotonic clock.
        :param near_for: Returns for how many seconds the turn is to be taken for near.
        """
        while (left := until - time.monotonic()) > 0:
            if (near := near_for()) > 0:
                ended = self.wait(min(near, left))
            elif listeners.has_backlog():
                return False
            elif listeners.has_queued():
                ended = self.wait(min(ACCEPT_SECONDS, left))
            else:
                ended = self.wait(left, listeners)
            if ended:
                return True
        return False


class Line:
    """The requests that wait for one thing, and how long it takes. Its owner's lock guards it."""

    __slots__ = ("_moved_at", "_seconds", "turns")

    def __init__(self) -> None:
        self.turns: deque[Turn] = deque()
        self._seconds = 0.0  # that a request takes, on average
        self._moved_at = float("-inf")

    def join(self, now: float, *, ended_at: float = float("-inf")) -> Turn:
        """Return a place at the end.

        :param ended_at: When a request has ended last. Nobody waited for that before the first
            one joined, so the time until the next one counts from now.
        """
        turn = Turn()
        self.turns.append(turn)
        if self._moved_at < ended_at:
            self._moved_at = now
        return turn

    def leave(self, turn: Turn) -> bool | None:
        """Give the place up; return what became of it, ``None`` if the turn has not come."""
        if turn.granted is None:
            self.turns.remove(turn)
        turn.close()
        return turn.granted

    def move_up(self, now: float) -> None:
        """Grant the first in the line its turn."""
        self._moved_at = now
        self.turns.popleft().end(granted=True)

    def dissolve(self) -> None:
        """Wake all: what they have waited for is not there any more."""
        while self.turns:
            self.turns.popleft().end(granted=False)

    def note(self, seconds: float) -> None:
        """Count how long a request has taken."""
        self._seconds += (seconds - self._seconds) * WEIGHT

    def near_for(self, turn: Turn, limit: int, now: float) -> float:
        """Return for how many seconds a turn is to be taken for near; not at all if 0 or less.

        :param limit: Requests that are served at once; 0 while older instances take them all.
        """
        if turn.granted is not None:
            return NEAR_SECONDS
        expected = self._seconds * (self.turns.index(turn) + 1) / max(1, limit)
        return NEAR_SECONDS - max(expected, now - self._moved_at)
