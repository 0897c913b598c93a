"""Who may wait: a request that would take the thread that another tenant's visitor needs may not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tenantry.pool.building import Building
from tenantry.pool.parts import Pace, Resident
from tenantry.pool.shelf import App

if TYPE_CHECKING:
    from tenantry.pool.parts import Build

LOOK_SECONDS = 0.002
"""Between two looks of a surplus request at whether its turn has come, or somebody else's."""

SOON_SECONDS = 0.025
"""From one turn of a tenant to the next: whoever waits no longer is in nobody's way."""

NEW_SECONDS = 1.0
"""An instance that is no older has its first pages to make yet, which say nothing of the later ones."""

MOVING_SECONDS = 0.15
"""While the pace is not known: a request that has ended so lately says that the next one ends soon."""

CROWD_SECONDS = 0.03
"""Requests that come all at once, after a pause, have so long to end before that says anything."""

QUEUED_LOOKS = 8
"""So often in a row a connection has to be seen waiting, at a site whose requests do end."""

YOUNG_SECONDS = 0.25
"""A build that has taken no longer yet may well be done in a moment."""


class Patience(Building[App]):
    """Judges whether a surplus request may wait on."""

    def _is_crowded(self, found: Resident[App] | Build[App]) -> bool:
        """Say whether one more request would take the thread that somebody else needs."""
        if isinstance(found, Resident):
            return found.leases >= found.share
        older = self._residents.get(found.tenant.id)
        on_loan = self._leftovers(found.tenant.id) + (older.leases if older is not None else 0)
        enough = min(self._max_waiters, found.share - on_loan)
        return found.waiters >= enough or self._waiting >= self._max_waiting

    def _may_linger(self, found: Resident[App] | Build[App], until: float) -> bool:
        """Say whether a surplus request may wait on, for what comes soon or because nobody minds."""
        if time.monotonic() >= until:
            return False
        if self._moves(found):
            return True
        # Two looks: another thread may be just about to let in whom the first one sees.
        queued = self._others_wait() and self._still_wait()
        if isinstance(found, Resident):
            return not self._stays_queued(found, queued=queued)
        return not queued

    def _moves(self, found: Resident[App] | Build[App]) -> bool:
        """Say whether the turn of one more request comes soon, by what has happened lately.

        Whoever stands at the door may want the same site: a busy one must not be refused for that. A
        site whose requests take long, or whose factory does, gets no such credit.
        """
        now = self._clock()
        with self._lock:
            if isinstance(found, Resident):
                pace = found.pace = found.pace or Pace()
                pace.look(now, found.drawn - found.tokens)
                if now - found.built_at < NEW_SECONDS:
                    return True
                if pace.seconds is not None:
                    return pace.seconds < SOON_SECONDS
                ended_lately = now - found.used_at < MOVING_SECONDS
                return ended_lately or now - pace.since < CROWD_SECONDS
            return self._is_young(found)

    def _stays_queued(self, resident: Resident[App], *, queued: bool) -> bool:
        """Say whether a connection really waits for a thread, and not only for the processor.

        On a machine without time to spare, a thread whose request has ended is slow to accept the
        next connection, often of the very client that it has just answered. Every slow look then
        sees a connection, but none sees it for long.
        """
        with self._lock:
            pace = resident.pace = resident.pace or Pace()
            pace.queued_looks = pace.queued_looks + 1 if queued else 0
            ended_lately = self._clock() - resident.used_at < MOVING_SECONDS
            return queued and not (ended_lately and pace.queued_looks < QUEUED_LOOKS)

    def _is_young(self, build: Build[App]) -> bool:
        """Say whether a build may be done in a moment, and those as well for which everyone waits."""
        everyone_waits = self._waiting >= self._max_waiting
        oldest = next(iter(self._builds.values()), build) if everyone_waits else build
        return self._clock() - oldest.asked_at < YOUNG_SECONDS

    def _still_wait(self) -> bool:
        time.sleep(LOOK_SECONDS / 4)
        return self._others_wait()
