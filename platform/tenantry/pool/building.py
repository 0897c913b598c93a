"""Building instances: one build per tenant, in a thread of its own, with a place found beforehand."""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from typing import TYPE_CHECKING

from tenantry.errors import BuildFailedError, PoolError, PoolFullError
from tenantry.pool.journey import Steps, begin, timed
from tenantry.pool.parts import Build, Failure, Resident
from tenantry.pool.reports import BuildReport, FailureReport
from tenantry.pool.shelf import App, Shelf

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

FIRST_DELAY = 1.0
MAX_DELAY = 60.0
"""Seconds between tries of a failing factory: the first, doubled each time, and the most."""

PATIENCE = 0.5
"""Seconds that a request waits for a newer instance while the old one could serve."""

MAX_FAILURES = 10_000
"""Failing tenants whose back-off is remembered, at most."""

MAX_REPORTED = 100
SLOWEST = 10
"""Failures, and builds, that are told of."""

SLOW_SECONDS = 0.1
"""A build that takes longer is told in the log."""


class Building(Shelf[App]):
    """Makes what is missing.

    A factory that hangs takes no thread from the server. While it hangs nothing else is started for
    its tenant.
    """

    def warm(self, tenant: Tenant) -> bool:
        """Build the tenant's instance in this thread, if there is room and nobody does so already.

        :returns: Whether it is there now.
        """
        self._short = self._budget.shortage() is not None
        with self._lock:
            resident = self._residents.get(tenant.id)
            if resident is not None and resident.revision >= tenant.revision:
                return True
            full = self._short or self._held() >= self._budget.instances
            if full or self._closed or tenant.id in self._builds:
                return False
            try:
                build = self._begin(tenant)
            except PoolError:
                return False
            self._starting.remove(build)
        self._work(build)
        return build.resident is not None

    def _begin(self, tenant: Tenant) -> Build[App]:
        self._refuse_failing(tenant)
        now = self._clock()
        build: Build[App] = Build(
            tenant,
            share=self._share(tenant),
            asked_at=now,
            patient_until=now + min(PATIENCE, self._build_seconds),
            deadline=now + self._build_seconds,
            error_id=secrets.token_hex(4),
        )
        if self._make_room(build):
            self._starting.append(build)
        elif len(self._queue) < self._max_waiting:
            build.queued = True
            self._queue[tenant.id] = build
        else:
            raise PoolFullError(tenant.slug)
        self._builds[tenant.id] = build
        self._counts["builds"] += 1
        return build

    def _refuse_failing(self, tenant: Tenant) -> None:
        """Fail at once while a failing factory backs off. A new revision may try at once."""
        failure = self._failures.get(tenant.id)
        if failure is None or failure.revision < tenant.revision:
            return
        left = failure.retry_at - self._clock()
        if left > 0:
            raise BuildFailedError(tenant.slug, failure.error_id, max(1, round(left)))

    def _make_room(self, build: Build[App]) -> bool:
        """See to a place for a build: an idle instance goes, the least recently used one first.

        A tenant that is being rebuilt has one place, not two, and keeps its old instance meanwhile.
        Where memory is short an idle one goes for each that comes; what is in use cannot.
        """
        full = self._held() >= self._budget.instances
        if build.tenant.id in self._residents or not (full or self._short):
            return True
        for tenant_id, resident in self._residents.items():
            if not resident.leases and tenant_id not in self._builds:
                del self._residents[tenant_id]
                self._counts["evictions"] += 1
                build.evicted = resident
                return True
        return not full

    def _admit(self) -> None:
        """Hand places that have become free to the builds that wait for one, first come first."""
        while self._queue:
            build = next(iter(self._queue.values()))
            if not self._make_room(build):
                return
            self._queue.popitem(last=False)
            build.queued = False
            self._starting.append(build)

    def _forget_unwanted(self, build: Build[App]) -> None:
        """Take a build that nobody waits for any more out of the queue for a place."""
        if build.queued and not build.waiters:
            tenant = build.tenant
            del self._queue[tenant.id], self._builds[tenant.id]
            build.queued = False
            build.error = PoolFullError(tenant.slug)

    def _start(self) -> None:
        """Start, without the lock, what was put down for it under the lock."""
        while self._starting:
            with self._lock:
                starting, self._starting = self._starting, []
            for build in starting:
                name = f"build-{build.tenant.slug}"
                thread = threading.Thread(target=self._work, args=(build,), name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no thread left
                    self._fail(build, error)
                    self._discard_evicted(build)

    def _work(self, build: Build[App]) -> None:
        steps = begin()
        steps.append(("thread", self._clock() - build.asked_at))
        resident = self._make(build, steps)
        if resident is not None:
            self._settle(build, resident, steps)
        # Only now: a disposal that takes its time, or hangs, keeps nobody waiting.
        self._discard_evicted(build)

    def _make(self, build: Build[App], steps: Steps) -> Resident[App] | None:
        """Build the instance, and probe it if it is to replace another one."""
        tenant = build.tenant
        instance: App | None = None
        try:
            with timed(steps, "factory"):
                instance = self._build(tenant)
            resident = Resident(
                instance, tenant, share=build.share, leases=0, used_at=self._clock()
            )
            if tenant.id in self._residents:
                with timed(steps, "probe"):
                    self._probe(instance, tenant)
        except BaseException as error:  # noqa: BLE001 - every waiter is told; nothing may hang
            self._fail(build, error)
            if instance is not None:
                self._dispose_of(instance, tenant.id, tenant.slug)
            return None
        return resident

    def _settle(self, build: Build[App], resident: Resident[App], steps: Steps) -> None:
        """Put the new instance in its place, and lend it to everyone who waits."""
        tenant = build.tenant
        finished: list[Resident[App]] = []
        with self._lock:
            del self._builds[tenant.id]
            self._failures.pop(tenant.id, None)
            resident.leases = build.waiters
            build.resident = resident
            older = self._residents.pop(tenant.id, None)
            if older is not None and self._retire(older):
                finished.append(older)
            # Stale or not, it is the newest that works, should its successor fail.
            resident.stale = build.stale
            if not self._closed:
                resident.share -= self._leftovers(tenant.id)
                self._residents[tenant.id] = resident
            elif self._retire(resident):
                finished.append(resident)
            self._admit()
            seconds = self._clock() - build.asked_at
            self._note(
                BuildReport(
                    tenant.id, tenant.slug, tenant.revision, time.time(), seconds, tuple(steps)
                )
            )
        build.ready.set()
        self._start()
        level = logging.INFO if seconds >= SLOW_SECONDS else logging.DEBUG
        log.log(level, "built %s (%s) in %.0f ms", tenant.slug, tenant.id, seconds * 1000)
        for one in finished:
            self._discard(one)
        self._collector.note_built()

    def _note(self, report: BuildReport) -> None:
        """Keep the report if the build is one of the slowest."""
        if len(self._slowest) == SLOWEST and report.seconds <= self._slowest[-1].seconds:
            return
        self._slowest.append(report)
        self._slowest.sort(key=lambda one: one.seconds, reverse=True)
        del self._slowest[SLOWEST:]

    def _fail(self, build: Build[App], error: BaseException) -> None:
        tenant = build.tenant
        with self._lock:
            del self._builds[tenant.id]
            before = self._failures.pop(tenant.id, None)
            attempts = before.attempts + 1 if before is not None else 1
            delay = min(MAX_DELAY, FIRST_DELAY * 2 ** (attempts - 1))
            # Jitter, so that the workers and tenants that failed together do not retry together.
            delay *= random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            self._failures[tenant.id] = Failure(
                slug=tenant.slug,
                revision=tenant.revision,
                problem=_told(error),
                error_id=build.error_id,
                retry_at=self._clock() + delay,
                attempts=attempts,
                at=time.time(),
            )
            if len(self._failures) > MAX_FAILURES:
                self._failures.popitem(last=False)
            self._counts["failures"] += 1
            build.error = BuildFailedError(tenant.slug, build.error_id, max(1, round(delay)))
            self._admit()
        build.ready.set()
        self._start()
        log.error(
            "building %s (%s) failed, error %s, next try in %.1f s",
            tenant.slug,
            tenant.id,
            build.error_id,
            delay,
            exc_info=error,
        )

    def _discard_evicted(self, build: Build[App]) -> None:
        evicted, build.evicted = build.evicted, None
        if evicted is not None:
            self._discard(evicted)

    def failures(self) -> list[FailureReport]:
        """Return the tenants whose newest revision could not be built, the latest ones first."""
        with self._lock:
            now = self._clock()
            return [
                FailureReport(
                    tenant_id,
                    failure.slug,
                    failure.revision,
                    older.revision if (older := self._residents.get(tenant_id)) else None,
                    failure.problem,
                    failure.error_id,
                    failure.attempts,
                    max(0.0, failure.retry_at - now),
                    failure.at,
                )
                for tenant_id, failure in list(reversed(self._failures.items()))[:MAX_REPORTED]
            ]

    def slowest(self) -> list[BuildReport]:
        """Return the builds that took longest, the slowest one first."""
        with self._lock:
            return list(self._slowest)


def _told(error: BaseException) -> str:
    """Return what an operator reads of a factory's failure; the log has the whole of it."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__
