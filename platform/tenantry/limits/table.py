"""A fixed-size table of token buckets, shared by the machine's workers.

A bucket is one number, the moment at which it will be full again (the "theoretical arrival time" of
the generic cell rate algorithm), and a bucket that is full need not be remembered. So the table needs
no thread that tidies up, and clients who come once leave nothing that counts.
"""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from tenantry.limits.shared import HEADER_SIZE, map_private, map_shared, secret_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BURST_SECONDS = 5
"""How many seconds' worth of requests may come at once after a quiet time."""

SLOTS = 65_536
"""Buckets that can be remembered: 1 MiB. Only those that are not full need to be."""

WAYS = 4
"""Slots in which a key may be found."""

_GRAIN = 1e-3
"""The part of a token that is given for nothing, so that rounding never costs a second try."""

_SLACK = 1.0
"""Seconds that a process may have slept between reading the clock and reading a bucket."""

_TRIES = (1, 2, 3)
"""How often taking is begun again if others come in between. After that it counts as it is."""

_HORIZON = 3600.0
"""Seconds from now after which a bucket is not to be believed."""


class RateTable:
    """Buckets by key, in the file *path*, or in this process's memory if it is ``None``.

    There is no lock. Each half of a slot is an aligned number of eight bytes, which does not tear.
    Who finds that another one came in between starts again; of two that store at the very
    same moment one is forgotten, and then more may pass, never less.
    Whatever stands in the file, a bucket that says it needs longer than it can is taken for full.

    The keys' places follow from a secret in the file, so nobody can choose keys that meet. Where more
    than :data:`WAYS` do, the bucket that is full again first is forgotten.

    :param slots: A multiple of :data:`WAYS`.
    :param clock: Seconds since the machine started; all its processes have to read the same.
    """

    def __init__(
        self, path: Path | None, *, slots: int = SLOTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        size = slots * 8
        if path is None:
            self._map, self.shared = map_private(2 * size), False
        else:
            self._map, self.shared = map_shared(path, 2 * size)
        self._whole = memoryview(self._map)
        self._marks = self._whole[HEADER_SIZE : HEADER_SIZE + size].cast("Q")
        self._times = self._whole[HEADER_SIZE + size :].cast("d")
        self._sets = slots // WAYS
        self._hash = hashlib.blake2b(digest_size=8, key=secret_of(self._map))
        # Finding the place costs more than all the rest, and the same few ask again and again.
        self._place = lru_cache(maxsize=1024)(self._find_place)
        self._clock = clock

    def take_tokens(self, key: str, rate: float, burst: float, want: int = 1) -> tuple[int, float]:
        """Take up to *want* tokens; return how many, and the seconds until there is one if none.

        :param rate: Tokens that come per second.
        :param burst: Tokens that there are after a quiet time; at least one.
        """
        home, mark = self._place(key)
        marks, times = self._marks, self._times
        now = self._clock()
        for slot in range(home, home + WAYS):
            if marks[slot] == mark:
                break
        else:
            slot = self._give_up(home, now)
            times[slot] = now
            marks[slot] = mark
        for _ in _TRIES:
            seen = full_at = times[slot]
            # Also when it is no number at all, or from another clock.
            if not now < full_at < now + burst / rate + _SLACK:
                full_at = now
            tokens = burst - (full_at - now) * rate
            taken = min(want, int(tokens + _GRAIN))
            if taken < 1:
                return 0, (1 - tokens) / rate
            if times[slot] == seen:
                break
        times[slot] = full_at + taken / rate
        return taken, 0.0

    def count_tokens(self, key: str, rate: float, burst: float) -> float:
        """Return how many tokens there are now, without taking any; see :meth:`take_tokens`."""
        slot, now = self._find(key), self._clock()
        full_at = now if slot is None else self._times[slot]
        if not now < full_at < now + burst / rate + _SLACK:
            return burst
        return max(0.0, burst - (full_at - now) * rate)

    def return_token(self, key: str, rate: float) -> None:
        """Return a token that was taken for nothing."""
        slot = self._find(key)
        if slot is not None:
            self._times[slot] -= 1 / rate

    def fill(self, key: str) -> None:
        """Make the bucket full, as after a quiet time."""
        slot = self._find(key)
        if slot is not None:
            self._times[slot] = self._clock()

    def close(self) -> None:
        """Unmap the file. Nobody may take any more."""
        for view in (self._marks, self._times, self._whole):
            view.release()
        self._map.close()

    def _find(self, key: str) -> int | None:
        """Return the slot of *key*; none if its bucket is not remembered, which is then full."""
        home, mark = self._place(key)
        return next((slot for slot in range(home, home + WAYS) if self._marks[slot] == mark), None)

    def _find_place(self, key: str) -> tuple[int, int]:
        """Return the first slot in which *key* may be, and what marks it there."""
        digest = self._hash.copy()
        digest.update(key.encode())
        mark = int.from_bytes(digest.digest(), "little")
        return mark % self._sets * WAYS, mark

    def _give_up(self, home: int, now: float) -> int:
        """Return the slot whose bucket is missed least: full already, or so first."""
        first, soonest = home, now + _HORIZON
        for slot in range(home, home + WAYS):
            full_at = self._times[slot]
            if not now < full_at < now + _HORIZON:
                return slot
            if full_at < soonest:
                first, soonest = slot, full_at
        return first
