"""The bounded cache of instances: each tenant's app is built once, lent, retired and disposed of.

Laws, each with a test: one build per tenant however many requests miss at once; nothing foreign runs
under the lock; an instance in use is never disposed of; the last lease out disposes of a retired one;
everything is bounded.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from tenantry.errors import (
    BuildError,
    BuildFailedError,
    BuildTimeoutError,
    PoolClosedError,
    PoolError,
    PoolFullError,
    TooManyWaitersError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from tenantry.tenant import Tenant

log = logging.getLogger(__name__)

App = TypeVar("App")

FIRST_DELAY = 1.0
MAX_DELAY = 60.0
"""Seconds between tries of a failing factory: the first, doubled each time, and the most."""

PATIENCE = 0.5
"""Seconds that even more requests than may wait do wait: most builds end sooner."""

STALE_SECONDS = 60.0
"""An instance whose tenant has changed leaves after so long without a request."""

RETRY_SLOW = 5
"""Seconds after which to ask again for what takes too long to build."""

MAX_FAILURES = 10_000
"""Failing tenants whose back-off is remembered, at most."""


class Resident(Generic[App]):
    """An instance from the end of its build until its disposal."""

    __slots__ = ("instance", "leases", "retired", "revision", "slug", "stale", "used_at")

    def __init__(self, instance: App, tenant: Tenant, leases: int, used_at: float) -> None:
        self.instance = instance
        self.slug = tenant.slug
        self.revision = tenant.revision
        self.leases = leases
        self.used_at = used_at
        self.stale = False  # the tenant has a newer revision
        self.retired = False  # out of the cache; disposed of when the last lease ends


@dataclass(eq=False, slots=True)
class _Build(Generic[App]):
    """A build on its way, and who waits for it."""

    tenant: Tenant
    patient_until: float
    deadline: float
    error_id: str
    waiters: int = 0
    stale: bool = False
    """The tenant has changed meanwhile: the instance will be stale from its first moment."""
    resident: Resident[App] | None = None
    error: BuildError | None = None
    ready: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False, slots=True)
class _Failure:
    """A factory that raised, and when it may try again."""

    revision: int
    error_id: str
    retry_at: float
    attempts: int


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Counters since the pool was made, and what it holds now."""

    instances: int
    leases: int
    builds_running: int
    waiting: int
    backing_off: int
    hits: int
    builds: int
    failures: int
    timeouts: int
    refusals: int
    evictions: int
    retirements: int
    disposals: int


class Lease(Generic[App]):
    """One request's hold on an instance. Released exactly once, however often it is told to."""

    __slots__ = ("_pool", "_resident", "instance")

    def __init__(self, pool: InstancePool[App], resident: Resident[App]) -> None:
        self._pool = pool
        self._resident: Resident[App] | None = resident
        self.instance = resident.instance

    def release(self) -> None:
        """Give the instance back. A retired one is disposed of when its last lease ends."""
        resident, self._resident = self._resident, None
        if resident is not None:
            self._pool.give_back(resident)

    def __enter__(self) -> Lease[App]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class InstancePool(Generic[App]):
    """Lends instances, and builds those that are missing.

    A build runs in a thread of its own: a request waits for it only so long, and a factory that
    hangs takes no thread from the server. While it hangs nothing else is started for its tenant.

    :param build: The factory. Whatever it raises is that tenant's problem alone.
    :param dispose: Closes what *build* opened.
    :param max_instances: Instances kept, and being built, at most.
    :param idle_seconds: After so long without a request :meth:`evict_idle` takes an instance.
    :param build_seconds: How long a request waits for a build.
    :param max_waiters: Requests waiting for one tenant's build, at most.
    :param max_waiting: Requests waiting for any build, at most. One less than the server's threads
        keeps one free for tenants that need no build.
    """

    def __init__(
        self,
        build: Callable[[Tenant], App],
        *,
        dispose: Callable[[App], None] = lambda _: None,
        max_instances: int = 200,
        idle_seconds: float = 3600,
        build_seconds: float = 4.0,
        max_waiters: int = 2,
        max_waiting: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build = build
        self._dispose = dispose
        self._max_instances = max_instances
        self._idle_seconds = idle_seconds
        self._build_seconds = build_seconds
        self._max_waiters = max_waiters
        self._max_waiting = max_waiting
        self._clock = clock
        # Everything below is owned by the lock, under which no foreign code ever runs.
        self._lock = threading.Lock()
        self._residents: OrderedDict[str, Resident[App]] = OrderedDict()  # least used first
        self._builds: dict[str, _Build[App]] = {}
        self._failures: OrderedDict[str, _Failure] = OrderedDict()
        self._retired: set[Resident[App]] = set()  # out of the cache, still on loan
        self._waiting = 0
        self._closed = False
        self._counts = dict.fromkeys(
            ("builds", "failures", "timeouts", "refusals", "evictions", "retirements", "disposals"),
            0,
        )
        self._hits = 0

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<InstancePool: {stats.instances} instances, {stats.leases} leases, "
            f"{stats.builds_running} builds, {stats.backing_off} backing off>"
        )

    def acquire(self, tenant: Tenant) -> Lease[App]:
        """Lend the tenant's instance, building it if there is none of its revision.

        If the newest revision cannot be built, an older instance goes on serving.

        :raises BuildFailedError: The factory raised, now or a short while ago.
        :raises BuildTimeoutError: The build takes longer than a request may wait.
        :raises TooManyWaitersError: Enough requests wait already.
        :raises PoolFullError: Every instance is in use.
        :raises PoolClosedError: The process is stopping.
        """
        return Lease(self, self.hold(tenant))

    def hold(self, tenant: Tenant) -> Resident[App]:
        """Do what :meth:`acquire` does for a caller that is its own lease.

        It owes exactly one :meth:`give_back`. Each request comes this way: an object less counts.
        """
        tenant_id = tenant.id
        # Spelt out on the way of every request, here and in give_back: `with` takes twice as long.
        self._lock.acquire()
        try:
            resident = self._residents.get(tenant_id)
            if resident is not None and resident.revision >= tenant.revision:
                resident.leases += 1
                self._residents.move_to_end(tenant_id)
                self._hits += 1
                return resident
        finally:
            self._lock.release()
        return self._hold_missing(tenant)

    def retire(self, revisions: Mapping[str, int] | None) -> None:
        """Note that tenants have changed: what was built for an older revision is stale.

        A stale instance serves on until the new one is there, which the next request asks for; if
        that fails, or nobody asks, it leaves when it has not been used for a while.

        :param revisions: Changed tenants' ids with their newest revision; ``None`` if unknown.
        """
        with self._lock:
            for tenant_id, build in self._builds.items():
                if revisions is None or revisions.get(tenant_id, 0) > build.tenant.revision:
                    build.stale = True
            for tenant_id, revision in (revisions or {}).items():
                resident = self._residents.get(tenant_id)
                if resident is not None and resident.revision < revision:
                    resident.stale = True

    def evict_idle(self) -> int:
        """Dispose of instances that nobody has used for a while; return how many."""
        with self._lock:
            now = self._clock()
            # Ordered by acquisition, which is not quite the order of release: look at all.
            idle = [
                tenant_id
                for tenant_id, resident in self._residents.items()
                if not resident.leases
                and tenant_id not in self._builds
                and now - resident.used_at >= self._idle_limit(tenant_id, resident)
            ]
            evicted = [self._residents.pop(tenant_id) for tenant_id in idle]
            self._counts["evictions"] += len(evicted)
        for resident in evicted:
            self._discard(resident)
        return len(evicted)

    def _idle_limit(self, tenant_id: str, resident: Resident[App]) -> float:
        # Where the newer revision cannot be built, the stale instance is all that there is.
        leaves_soon = resident.stale and tenant_id not in self._failures
        return min(STALE_SECONDS, self._idle_seconds) if leaves_soon else self._idle_seconds

    def stats(self) -> PoolStats:
        """Return the counters."""
        with self._lock:
            leases = sum(r.leases for r in self._residents.values())
            return PoolStats(
                instances=len(self._residents),
                leases=leases + sum(r.leases for r in self._retired),
                builds_running=len(self._builds),
                waiting=self._waiting,
                backing_off=len(self._failures),
                hits=self._hits,
                **self._counts,
            )

    def close(self) -> None:
        """Lend nothing more; dispose of what is idle now, and of the rest when its leases end."""
        with self._lock:
            self._closed = True
            residents = list(self._residents.values())
            self._residents.clear()
            finished = [r for r in residents if self._retire(r)]
        for resident in finished:
            self._discard(resident)

    def give_back(self, resident: Resident[App]) -> None:
        """End one lease. Whoever holds it calls this once."""
        self._lock.acquire()
        try:
            resident.leases -= 1
            resident.used_at = self._clock()
            finished = resident.retired and not resident.leases
            if finished:
                self._retired.discard(resident)
        finally:
            self._lock.release()
        if finished:
            self._discard(resident)

    def _hold_missing(self, tenant: Tenant) -> Resident[App]:
        evicted: Resident[App] | None = None
        started = False
        with self._lock:
            if self._closed:
                raise PoolClosedError(tenant.slug)
            resident = self._residents.get(tenant.id)
            if resident is not None and resident.revision >= tenant.revision:
                return self._lend(resident, tenant)  # built between the two looks
            try:
                self._refuse_failing(tenant)
                build = self._builds.get(tenant.id)
                if build is not None and self._clock() >= build.deadline:
                    raise BuildTimeoutError(tenant.slug, build.error_id, RETRY_SLOW)
                if build is None:
                    evicted = self._make_room(tenant)
                    build = self._start(tenant)
                    started = True
            except PoolError:
                self._counts["refusals"] += 1
                if resident is None:
                    raise
                return self._lend(resident, tenant)  # stale beats dead
            # One more would take the thread that other tenants need: it does not wait for long.
            crowded = build.waiters >= self._max_waiters or self._waiting >= self._max_waiting
            build.waiters += 1
            self._waiting += 1
        if started:
            self._run(build, evicted)
        resident = self._wait(build, tenant, crowded=crowded)
        if resident is build.resident and resident.revision < tenant.revision:
            return self._renew(resident, tenant)
        return resident

    def _renew(self, held: Resident[App], tenant: Tenant) -> Resident[App]:
        """Ask again: the build that was waited for began before the tenant changed."""
        try:
            newer = self._hold_missing(tenant)
        except PoolError:
            return held  # stale beats dead
        self.give_back(held)
        return newer

    def _refuse_failing(self, tenant: Tenant) -> None:
        """Fail at once while a failing factory backs off. A new revision may try at once."""
        failure = self._failures.get(tenant.id)
        if failure is None or failure.revision < tenant.revision:
            return
        left = failure.retry_at - self._clock()
        if left > 0:
            raise BuildFailedError(tenant.slug, failure.error_id, max(1, round(left)))

    def _make_room(self, tenant: Tenant) -> Resident[App] | None:
        """Take the idle instance that was used least recently, if the pool is full.

        A tenant that is being rebuilt has one place, not two, and keeps its old instance meanwhile.
        """
        first_builds = sum(tenant_id not in self._residents for tenant_id in self._builds)
        held = len(self._residents) + first_builds + len(self._retired)
        if held < self._max_instances or tenant.id in self._residents:
            return None
        for tenant_id, resident in self._residents.items():
            if not resident.leases and tenant_id not in self._builds:
                del self._residents[tenant_id]
                self._counts["evictions"] += 1
                return resident
        raise PoolFullError(tenant.slug)

    def _start(self, tenant: Tenant) -> _Build[App]:
        now = self._clock()
        build: _Build[App] = _Build(
            tenant,
            patient_until=now + min(PATIENCE, self._build_seconds),
            deadline=now + self._build_seconds,
            error_id=secrets.token_hex(4),
        )
        self._builds[tenant.id] = build
        self._counts["builds"] += 1
        return build

    def _run(self, build: _Build[App], evicted: Resident[App] | None) -> None:
        name = f"build-{build.tenant.slug}"
        thread = threading.Thread(target=self._work, args=(build, evicted), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no thread left
            self._fail(build, error)
            if evicted is not None:
                self._discard(evicted)

    def _work(self, build: _Build[App], evicted: Resident[App] | None) -> None:
        self._fill(build)
        if evicted is not None:
            # Only now: a disposal that takes its time, or hangs, keeps nobody waiting.
            self._discard(evicted)

    def _fill(self, build: _Build[App]) -> None:
        """Build the instance, then hand it, or the failure, to everyone who waits."""
        started = self._clock()
        try:
            instance = self._build(build.tenant)
        except BaseException as error:  # noqa: BLE001 - every waiter is told; nothing may hang
            self._fail(build, error)
            return
        tenant = build.tenant
        finished: list[Resident[App]] = []
        with self._lock:
            resident = Resident(instance, tenant, build.waiters, self._clock())
            del self._builds[tenant.id]
            self._failures.pop(tenant.id, None)
            build.resident = resident
            older = self._residents.pop(tenant.id, None)
            if older is not None and self._retire(older):
                finished.append(older)
            # Stale or not, it is the newest that works, should its successor fail.
            resident.stale = build.stale
            if not self._closed:
                self._residents[tenant.id] = resident
            elif self._retire(resident):
                finished.append(resident)
        build.ready.set()
        seconds = self._clock() - started
        log.info("built %s (%s) in %.0f ms", tenant.slug, tenant.id, seconds * 1000)
        for resident in finished:
            self._discard(resident)

    def _fail(self, build: _Build[App], error: BaseException) -> None:
        tenant = build.tenant
        with self._lock:
            del self._builds[tenant.id]
            before = self._failures.pop(tenant.id, None)
            attempts = before.attempts + 1 if before is not None else 1
            delay = min(MAX_DELAY, FIRST_DELAY * 2 ** (attempts - 1))
            # Jitter, so that the workers and tenants that failed together do not retry together.
            delay *= random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            self._failures[tenant.id] = _Failure(
                tenant.revision, build.error_id, self._clock() + delay, attempts
            )
            if len(self._failures) > MAX_FAILURES:
                self._failures.popitem(last=False)
            self._counts["failures"] += 1
            build.error = BuildFailedError(tenant.slug, build.error_id, max(1, round(delay)))
        build.ready.set()
        log.error(
            "building %s (%s) failed, error %s, next try in %.1f s",
            tenant.slug,
            tenant.id,
            build.error_id,
            delay,
            exc_info=error,
        )

    def _wait(self, build: _Build[App], tenant: Tenant, *, crowded: bool) -> Resident[App]:
        limit = build.patient_until if crowded else build.deadline
        build.ready.wait(max(0.0, limit - self._clock()))
        with self._lock:
            self._waiting -= 1
            if build.resident is not None:  # the lease was counted when the build ended
                return build.resident
            build.waiters -= 1
            older = self._residents.get(tenant.id)
            if older is not None:
                return self._lend(older, tenant)  # stale beats dead
            error = build.error
            self._counts["refusals" if crowded else "timeouts"] += error is None
        if error is not None:
            # One for each waiter: a raised exception carries its own thread's traceback.
            raise BuildFailedError(error.slug, build.error_id, error.retry_after or 1)
        if crowded:
            raise TooManyWaitersError(tenant.slug)
        raise self._overdue(build)

    def _overdue(self, build: _Build[App]) -> BuildTimeoutError:
        log.warning(
            "%s (%s) takes more than %.1f s to build, error %s",
            build.tenant.slug,
            build.tenant.id,
            self._build_seconds,
            build.error_id,
        )
        return BuildTimeoutError(build.tenant.slug, build.error_id, RETRY_SLOW)

    def _lend(self, resident: Resident[App], tenant: Tenant) -> Resident[App]:
        resident.leases += 1
        self._residents.move_to_end(tenant.id)
        return resident

    def _retire(self, resident: Resident[App]) -> bool:
        """Take an instance out of use; say whether nobody holds it any more."""
        resident.retired = True
        self._counts["retirements"] += 1
        if resident.leases:
            self._retired.add(resident)
        return not resident.leases

    def _discard(self, resident: Resident[App]) -> None:
        """Dispose of an instance that nobody can reach any more."""
        try:
            self._dispose(resident.instance)
        except Exception:
            log.exception("disposing of an instance of %s failed", resident.slug)
        with self._lock:
            self._counts["disposals"] += 1
