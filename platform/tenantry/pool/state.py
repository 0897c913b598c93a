"""The pool's state, under one lock.

Each public method is one transaction, and here are all places that take the lock. No foreign code runs
under it (factory, probe, dispose, log handlers, tokens): what has to be started, disposed of or paid
for is returned, or put down in :attr:`PoolState.starting`, and the caller does it afterwards.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic

from tenantry.errors import (
    BuildFailedError,
    BuildTimeoutError,
    PoolClosedError,
    PoolError,
    PoolFullError,
)
from tenantry.limits.line import Line
from tenantry.pool.back_off import BackOff
from tenantry.pool.parts import App, BeyondBuild, Build, InLine, PooledInstance
from tenantry.pool.reports import BuildReport, PoolStats, SlowestBuilds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.pool.reports import FailureReport
    from tenantry.resources.budget import Budget
    from tenantry.values.tenant import Tenant

PATIENCE = 0.5
"""Seconds that a request waits for a newer instance while the old one could serve."""

YOUNG_SECONDS = 0.25
"""A build that has taken no longer yet may well be done in a moment."""

NEW_SECONDS = 1.0
"""An instance that is no older has its first pages to make, which say nothing of the later ones."""

RETRY_SLOW = 5
"""Seconds after which to ask again for what takes too long to build."""

STALE_SECONDS = 60.0
"""An instance whose tenant has changed leaves after so long without a request."""


class PoolState(Generic[App]):
    """Instances, builds, those who wait, and failures; :class:`InstancePool` says what limits them."""

    def __init__(
        self,
        *,
        budget: Budget,
        idle_seconds: float,
        build_seconds: float,
        max_waiters: int,
        max_waiting: int,
        clock: Callable[[], float],
    ) -> None:
        self.budget = budget
        self.idle_seconds = idle_seconds
        self.build_seconds = build_seconds
        self.max_waiters = max_waiters
        self.max_waiting = max_waiting
        self.clock = clock
        self.short = False
        """Memory or descriptors were short at the last check."""
        # Everything below is owned by the lock.
        self.lock = threading.Lock()
        self._acquire, self._release = self.lock.acquire, self.lock.release
        self.instances: OrderedDict[str, PooledInstance[App]] = OrderedDict()  # least used first
        self.builds: dict[str, Build[App]] = {}
        self.queue: OrderedDict[str, Build[App]] = OrderedDict()  # of builds without a place
        self.starting: list[Build[App]] = []  # to be started when the lock is free again
        self.retired: set[PooledInstance[App]] = set()  # out of the cache, still on loan
        self.back_off = BackOff(clock)
        self.slowest = SlowestBuilds()
        self.waiting = 0  # requests that are counted as waiters of some build
        self.closed = False
        self.hits = 0
        self.counts = dict.fromkeys(
            (
                "builds",
                "failures",
                "timeouts",
                "refusals",
                "busy",
                "limited",
                "evictions",
                "retirements",
                "disposals",
            ),
            0,
        )

    # --- on the way of every request --------------------------------------------------------------
    # The lock is spelt out here: `with` takes twice as long.

    def lend(self, tenant: Tenant, tokens: int = 0) -> PooledInstance[App] | None:
        """Lend the tenant's instance if nothing has to be built, waited for or paid for.

        :param tokens: Requests, this one included, that have been paid for.
        """
        self._acquire()
        try:
            pooled = self.instances.get(tenant.id)
            if pooled is None:
                return None
            pooled.tokens += tokens
            if (
                not pooled.tokens
                or pooled.leases >= pooled.max_in_flight
                or pooled.revision < tenant.revision
            ):
                return None
            pooled.tokens -= 1
            pooled.leases += 1
            self.instances.move_to_end(pooled.tenant_id)
            self.hits += 1
            return pooled
        finally:
            self._release()

    def release(self, pooled: PooledInstance[App], since: float = 0.0) -> bool | None:
        """End one lease; say whether the instance is to be disposed of, ``None`` if nothing is to do.

        :param since: When the lease began, if it tells how long requests take.
        """
        self._acquire()
        try:
            now = pooled.used_at = self.clock()
            # Nearly always without: an object less to touch.
            if (since or pooled.line is not None) and self._hand_on(pooled, since, now):
                return None
            pooled.leases -= 1
            if pooled.retired:
                self._return_share(pooled.tenant_id, now)
            if pooled.leases or not (pooled.retired or self.queue):
                return None
            self.retired.discard(pooled)
            self._admit()
            return pooled.retired
        finally:
            self._release()

    # --- a request that cannot be served at once --------------------------------------------------

    def enter(
        self, tenant: Tenant, *, max_in_flight: int, impatient: bool
    ) -> PooledInstance[App] | InLine[App] | Build[App] | BeyondBuild[App] | None:
        """Lend the tenant's instance, or say what the request has to wait for; ``None`` for tokens.

        :param impatient: It has waited for a newer instance long enough, if there is an older one.
        :raises PoolError: It is refused.
        """
        with self.lock:
            found = self._choose(tenant, max_in_flight, impatient=impatient)
            now = self.clock()
            if isinstance(found, Build):
                if self._is_full(found):
                    has_older = tenant.id in self.instances
                    return BeyondBuild(found, found.line.join(now), has_older)
                found.waiters += 1
                self.waiting += 1
                return found
            if not found.tokens:
                return None
            if found.leases >= found.max_in_flight:
                line = found.line = found.line or Line()
                turn = line.join(now, ended_at=found.used_at)
                found.tokens -= 1
                return InLine(found, line, turn)
            found.tokens -= 1
            found.leases += 1
            self.instances.move_to_end(tenant.id)
            self.hits += 1
            return found

    def leave_line(self, place: InLine[App]) -> bool | None:
        """Wait for a turn no longer; say whether it has come, and a lease with it.

        ``None`` if the instance is not lent any more: there may be a newer one.
        """
        with self.lock:
            granted = place.line.leave(place.turn)
            if granted:
                self.hits += 1
                return True
            place.pooled.tokens += 1
            if granted is not None:
                return None
            self.counts["busy"] += 1
            return False

    def near_for(self, place: InLine[App]) -> float:
        """Return for how many seconds a request's turn is to be taken for near."""
        pooled = place.pooled
        with self.lock:
            now = self.clock()
            new_for = NEW_SECONDS - (now - pooled.built_at)
            if new_for > 0:
                return new_for
            return place.line.near_for(place.turn, pooled.max_in_flight, now)

    def leave_build(self, build: Build[App]) -> PooledInstance[App] | None:
        """Wait for a build no longer; return its instance on loan, ``None`` if an older one can serve.

        :raises PoolError: The build failed, or takes too long.
        """
        tenant = build.tenant
        with self.lock:
            self.waiting -= 1
            if build.pooled is not None:  # the lease was counted when the build ended
                return build.pooled
            build.waiters -= 1
            if tenant.id in self.instances:
                return None
            self._forget_unwanted(build)
            if build.error is None:
                self.counts["timeouts"] += 1
                raise self._too_late(build)
            # One for each waiter: a raised exception carries its own thread's traceback.
            raise type(build.error)(*build.error.args)

    def leave_build_line(self, place: BeyondBuild[App]) -> bool:
        """Give the place beyond a build's waiters up; say whether there is something to ask for."""
        build = place.build
        with self.lock:
            if build.line.leave(place.turn) is not None or build.tenant.id in self.instances:
                return True
            self.counts["refusals"] += 1
            self._forget_unwanted(build)
            return False

    def young_for(self, build: Build[App]) -> float:
        """Return for how many seconds a build is to be taken for one that is done in a moment."""
        with self.lock:
            return self._young_for(build)

    def _choose(
        self, tenant: Tenant, max_in_flight: int, *, impatient: bool
    ) -> PooledInstance[App] | Build[App]:
        """Return the instance to lend, or the build to wait for; begin it if need be."""
        if self.closed:
            raise PoolClosedError(tenant.slug)
        pooled = self.instances.get(tenant.id)
        if pooled is not None and pooled.revision >= tenant.revision:
            return pooled
        try:
            build = self.builds.get(tenant.id)
            if build is None:
                build = self._begin(tenant, max_in_flight)
            elif self.clock() >= build.deadline:
                self._forget_unwanted(build)
                raise self._too_late(build)
        except PoolError:
            if pooled is None:
                self.counts["refusals"] += 1
                raise
            return pooled  # stale beats dead
        if pooled is not None and (
            impatient
            or self.clock() >= build.patient_until
            or (self._is_full(build) and self._young_for(build) <= 0)
        ):
            return pooled  # the old one serves while the new one is built
        return build

    def _is_full(self, build: Build[App]) -> bool:
        """Say whether as many requests wait for a build as may in any case."""
        older = self.instances.get(build.tenant.id)
        on_loan = self._leftovers(build.tenant.id) + (older.leases if older is not None else 0)
        most = min(self.max_waiters, build.max_in_flight - on_loan)
        return build.waiters >= most or self.waiting >= self.max_waiting

    def _young_for(self, build: Build[App]) -> float:
        # Where enough wait for other builds, the oldest of those has to end first.
        everyone_waits = self.waiting >= self.max_waiting
        oldest = next(iter(self.builds.values()), build) if everyone_waits else build
        return YOUNG_SECONDS - (self.clock() - oldest.asked_at)

    def _too_late(self, build: Build[App]) -> PoolError:
        if build.queued or isinstance(build.error, PoolFullError):  # it never got a place
            return PoolFullError(build.tenant.slug)
        return BuildTimeoutError(build.tenant.slug, build.error_id, RETRY_SLOW)

    # --- builds -----------------------------------------------------------------------------------

    def begin(self, tenant: Tenant, max_in_flight: int) -> Build[App] | None:
        """Return a build that nobody waits for, for the caller to run; ``None`` if none is due."""
        with self.lock:
            pooled = self.instances.get(tenant.id)
            if pooled is not None and pooled.revision >= tenant.revision:
                return None
            full = self.short or self.held() >= self.budget.instances
            if full or self.closed or tenant.id in self.builds:
                return None
            try:
                build = self._begin(tenant, max_in_flight)
            except PoolError:
                return None
            self.starting.remove(build)
            return build

    def take_starting(self) -> list[Build[App]]:
        """Return the builds that are to be started; the caller does it."""
        with self.lock:
            starting, self.starting = self.starting, []
            return starting

    def has(self, tenant: Tenant) -> bool:
        """Say whether the tenant has an instance that is not older than this value."""
        with self.lock:
            pooled = self.instances.get(tenant.id)
            return pooled is not None and pooled.revision >= tenant.revision

    def settle(
        self, build: Build[App], pooled: PooledInstance[App], steps: tuple[tuple[str, float], ...]
    ) -> tuple[float, list[PooledInstance[App]]]:
        """Put the new instance in its place, and lend it to everyone who waits.

        :returns: How long the build has taken, and what is to be disposed of.
        """
        tenant = build.tenant
        finished: list[PooledInstance[App]] = []
        with self.lock:
            del self.builds[tenant.id]
            self.back_off.forget(tenant.id)
            pooled.leases = build.waiters
            build.pooled = pooled
            older = self.instances.pop(tenant.id, None)
            if older is not None and self._retire(older):
                finished.append(older)
            # Stale or not, it is the newest that works, should its successor fail.
            pooled.stale = build.stale
            if not self.closed:
                pooled.max_in_flight -= self._leftovers(tenant.id)
                self.instances[tenant.id] = pooled
            elif self._retire(pooled):
                finished.append(pooled)
            self._admit()
            seconds = self.clock() - build.asked_at
            self.slowest.note(
                BuildReport(tenant.id, tenant.slug, tenant.revision, time.time(), seconds, steps)
            )
            build.end()
        return seconds, finished

    def fail(self, build: Build[App], error: BaseException) -> float:
        """Give a build up; return the seconds until its factory may try again."""
        tenant = build.tenant
        with self.lock:
            del self.builds[tenant.id]
            delay = self.back_off.note(tenant, error, build.error_id)
            self.counts["failures"] += 1
            build.error = BuildFailedError(tenant.slug, build.error_id, max(1, round(delay)))
            self._admit()
            build.end()
        return delay

    def take_evicted(self, build: Build[App]) -> PooledInstance[App] | None:
        """Return the instance whose place the build has taken, once."""
        with self.lock:
            evicted, build.evicted = build.evicted, None
            return evicted

    def _begin(self, tenant: Tenant, max_in_flight: int) -> Build[App]:
        self.back_off.check(tenant)
        now = self.clock()
        build: Build[App] = Build(
            tenant,
            max_in_flight=max_in_flight,
            asked_at=now,
            patient_until=now + min(PATIENCE, self.build_seconds),
            deadline=now + self.build_seconds,
            error_id=secrets.token_hex(4),
        )
        if self._make_room(build):
            self.starting.append(build)
        elif len(self.queue) < self.max_waiting:
            build.queued = True
            self.queue[tenant.id] = build
        else:
            raise PoolFullError(tenant.slug)
        self.builds[tenant.id] = build
        self.counts["builds"] += 1
        return build

    def _make_room(self, build: Build[App]) -> bool:
        """See to a place for a build: an idle instance goes, the least recently used one first.

        A tenant that is being rebuilt has one place, not two, and keeps its old instance meanwhile.
        Where memory is short an idle one goes for each that comes; what is in use cannot.
        """
        full = self.held() >= self.budget.instances
        if build.tenant.id in self.instances or not (full or self.short):
            return True
        for pooled in self.instances.values():
            if self._evict(pooled):
                build.evicted = pooled
                return True
        return not full

    def _admit(self) -> None:
        """Hand places that have become free to the builds that wait for one, first come first."""
        while self.queue:
            build = next(iter(self.queue.values()))
            if not self._make_room(build):
                return
            self.queue.popitem(last=False)
            build.queued = False
            self.starting.append(build)

    def _forget_unwanted(self, build: Build[App]) -> None:
        """Take a build that nobody waits for any more out of the queue for a place."""
        if build.queued and not build.waiters:
            tenant = build.tenant
            del self.queue[tenant.id], self.builds[tenant.id]
            build.queued = False
            build.error = PoolFullError(tenant.slug)
            build.end()

    # --- instances that leave ---------------------------------------------------------------------

    def mark_stale(self, revisions: Mapping[str, int] | None) -> None:
        """Note that what was built for an older revision is stale; ``None`` if it may be anything."""
        with self.lock:
            for tenant_id, build in self.builds.items():
                if revisions is None or revisions.get(tenant_id, 0) > build.tenant.revision:
                    build.stale = True
            for tenant_id, revision in (revisions or {}).items():
                pooled = self.instances.get(tenant_id)
                if pooled is not None and pooled.revision < revision:
                    pooled.stale = True

    def snapshot(self) -> list[PooledInstance[App]]:
        """Return all instances, so that looking at each of many holds nobody up."""
        with self.lock:
            return list(self.instances.values())

    def idle_limit(self, pooled: PooledInstance[App]) -> float:
        """Return how long an instance may stay without a request."""
        # Where the newer revision cannot be built, the stale instance is all that there is.
        leaves_soon = pooled.stale and pooled.tenant_id not in self.back_off
        return min(STALE_SECONDS, self.idle_seconds) if leaves_soon else self.idle_seconds

    def evict(self, pooled: PooledInstance[App]) -> bool:
        """Take an instance out if it is idle; say whether it was."""
        with self.lock:
            is_evicted = self.instances.get(pooled.tenant_id) is pooled and self._evict(pooled)
            if is_evicted:
                self._admit()
            return is_evicted

    def close(self) -> list[PooledInstance[App]]:
        """Lend nothing more; return what is idle now. The rest goes when its leases end."""
        with self.lock:
            self.closed = True
            instances = list(self.instances.values())
            self.instances.clear()
            finished = [pooled for pooled in instances if self._retire(pooled)]
            for tenant_id, build in self.queue.items():
                del self.builds[tenant_id]
                build.queued = False
                build.error = PoolClosedError(build.tenant.slug)
                build.end()
            self.queue.clear()
            return finished

    def _evict(self, pooled: PooledInstance[App]) -> bool:
        if pooled.leases or pooled.tenant_id in self.builds:
            return False
        del self.instances[pooled.tenant_id]
        self.counts["evictions"] += 1
        return True

    def _retire(self, pooled: PooledInstance[App]) -> bool:
        """Take an instance out of use; say whether nobody holds it any more."""
        pooled.retired = True
        self.counts["retirements"] += 1
        if pooled.line is not None:
            pooled.line.dissolve()
        if pooled.leases:
            self.retired.add(pooled)
        return not pooled.leases

    def _leftovers(self, tenant_id: str) -> int:
        """Return how many requests hold the tenant's older instances: they count as in flight."""
        return sum(one.leases for one in self.retired if one.tenant_id == tenant_id)

    def _return_share(self, tenant_id: str, now: float) -> None:
        """Give the present instance what a request that held an older one has taken from it."""
        pooled = self.instances.get(tenant_id)
        if pooled is None:
            return
        pooled.max_in_flight += 1
        if pooled.leases < pooled.max_in_flight and self._hand_on(pooled, 0.0, now):
            pooled.leases += 1

    def _hand_on(self, pooled: PooledInstance[App], since: float, now: float) -> bool:
        """Give a lease to the first in the line, if there is one; say whether there was."""
        line = pooled.line
        if since:
            line = pooled.line = line or Line()
            line.note(now - since)
        if line is None or not line.turns:
            return False
        line.move_up(now)
        return True

    # --- figures ----------------------------------------------------------------------------------

    def held(self) -> int:
        """Return how many places are taken, those of first builds and leftovers included."""
        building = sum(
            tenant_id not in self.instances and not build.queued
            for tenant_id, build in self.builds.items()
        )
        return len(self.instances) + building + len(self.retired)

    def count(self, what: str) -> None:
        """Count one more."""
        with self.lock:
            self.counts[what] += 1

    def failures(self) -> list[FailureReport]:
        """Return the tenants whose newest revision could not be built, the latest ones first."""

        def serving(tenant_id: str) -> int | None:
            older = self.instances.get(tenant_id)
            return older.revision if older is not None else None

        with self.lock:
            return self.back_off.reports(serving)

    def slowest_builds(self) -> list[BuildReport]:
        """Return the builds that took longest, the slowest one first."""
        with self.lock:
            return list(self.slowest)

    def stats(self) -> PoolStats:
        """Return the counters."""
        with self.lock:
            instances = list(self.instances.values())
            retired = list(self.retired)
            counts = dict(
                self.counts,
                builds_running=len(self.builds) - len(self.queue),
                waiting=self.waiting,
                queued=len(self.queue),
                backing_off=len(self.back_off),
                hits=self.hits,
            )
        leases = sum(one.leases for one in instances) + sum(one.leases for one in retired)
        return PoolStats(instances=len(instances), leases=leases, **counts)
