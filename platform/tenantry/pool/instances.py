"""The bounded cache of instances: each tenant's app is built once, lent, retired and disposed of.

Laws, each with a test: one build per tenant however many requests miss at once; nothing foreign runs
under the lock; an instance in use is never disposed of; the last lease out disposes of a retired one;
a tenant never has more than its share of the threads; everything is bounded.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from tenantry.budget import Budget
from tenantry.collector import Collector
from tenantry.errors import (
    BuildFailedError,
    BuildTimeoutError,
    PoolClosedError,
    PoolError,
    PoolFullError,
    RateLimitError,
    TenantBusyError,
    TenantLimitError,
    TooManyWaitersError,
)
from tenantry.pool.journey import Steps, begin, timed
from tenantry.pool.parts import Build, Failure, Lease, Pace, Resident
from tenantry.pool.reports import BuildReport, FailureReport, PoolStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tenantry.tenant import Tenant

log = logging.getLogger(__name__)

App = TypeVar("App")

FIRST_DELAY = 1.0
MAX_DELAY = 60.0
"""Seconds between tries of a failing factory: the first, doubled each time, and the most."""

PATIENCE = 0.5
"""Seconds that a request waits for a newer instance while the old one could serve."""

TURN_SECONDS = 2.0
"""Seconds that a surplus request waits for its turn while nobody else needs its thread."""

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

YOUNG_SECONDS = 0.25
"""A build that has taken no longer yet may well be done in a moment."""

STALE_SECONDS = 60.0
"""An instance whose tenant has changed leaves after so long without a request."""

RETRY_SLOW = 5
"""Seconds after which to ask again for what takes too long to build."""

MAX_FAILURES = 10_000
"""Failing tenants whose back-off is remembered, at most."""

MAX_REPORTED = 100
SLOWEST = 10
"""Failures, and builds, that are told of."""

SLOW_SECONDS = 0.1
"""A build that takes longer is told in the log."""

SHED_SHARE = 10
"""While memory is short, one in so many idle instances is given up at each look."""

HELPS = 0.005
"""Part of the limit by which memory has to change before more is given up."""

UNLIMITED = 1 << 60


class InstancePool(Generic[App]):
    """Lends instances, and builds those that are missing.

    A build runs in a thread of its own: a request waits for it only so long, and a factory that
    hangs takes no thread from the server. While it hangs nothing else is started for its tenant.

    :param build: The factory. Whatever it raises is that tenant's problem alone.
    :param dispose: Closes what *build* opened.
    :param probe: Sends a new instance a synthetic request before it replaces an older one; raises
        if it is not fit to serve.
    :param budget: What the process may keep.
    :param idle_seconds: After so long without a request :meth:`evict_idle` takes an instance.
    :param build_seconds: How long a request waits for a build.
    :param max_waiters: Requests waiting for one tenant's build, at most.
    :param max_waiting: Requests waiting for any build, and builds waiting for a place, at most. One
        less than the server's threads keeps one free for tenants that need no build.
    :param share: How many requests a tenant may have at once.
    :param draw: Draws a tenant's right to some more requests.
    :param others_wait: Says whether somebody stands at the door for whom no thread is free.
    """

    def __init__(
        self,
        build: Callable[[Tenant], App],
        *,
        dispose: Callable[[App], None] = lambda _: None,
        probe: Callable[[App, Tenant], None] = lambda _app, _tenant: None,
        budget: Budget | None = None,
        collector: Collector | None = None,
        idle_seconds: float = 3600,
        build_seconds: float = 4.0,
        max_waiters: int = 2,
        max_waiting: int = 3,
        share: Callable[[Tenant], int] = lambda _: UNLIMITED,
        draw: Callable[[Tenant], int] = lambda _: UNLIMITED,
        others_wait: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build = build
        self._dispose = dispose
        self._probe = probe
        self._budget = budget or Budget()
        self._collector = collector or Collector()
        self._idle_seconds = idle_seconds
        self._build_seconds = build_seconds
        self._max_waiters = max_waiters
        self._max_waiting = max_waiting
        self._share = share
        self._draw = draw
        self._others_wait = others_wait
        self._clock = clock
        # Everything below is owned by the lock, under which no foreign code ever runs.
        self._lock = threading.Lock()
        self._residents: OrderedDict[str, Resident[App]] = OrderedDict()  # least used first
        self._builds: dict[str, Build[App]] = {}
        self._queue: OrderedDict[str, Build[App]] = OrderedDict()  # of builds without a place
        self._starting: list[Build[App]] = []  # to be started when the lock is free again
        self._failures: OrderedDict[str, Failure] = OrderedDict()
        self._retired: set[Resident[App]] = set()  # out of the cache, still on loan
        self._slowest: list[BuildReport] = []
        self._waiting = 0
        self._shed_at = 0.0  # MiB that the process took when it last gave up some
        self._short = False  # of memory or descriptors, when somebody looked last
        self._closed = False
        self._counts = dict.fromkeys(
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
        self._hits = 0

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<InstancePool: {stats.instances} instances, {stats.leases} leases, "
            f"{stats.builds_running} builds, {stats.backing_off} backing off>"
        )

    def __len__(self) -> int:
        return len(self._residents)

    # --- lending --------------------------------------------------------------------------------

    def acquire(self, tenant: Tenant) -> Lease[App]:
        """Lend the tenant's instance, building it if there is none of its revision.

        While the newest revision is being built, or if it cannot be, an older instance serves on.

        :raises BuildFailedError: The factory raised, now or a short while ago.
        :raises BuildTimeoutError: The build takes longer than a request may wait.
        :raises TooManyWaitersError: Enough requests wait already.
        :raises TenantBusyError: The tenant has its whole share of the threads.
        :raises TenantLimitError: The tenant asks more often than it may.
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
            if (
                resident is not None
                and resident.tokens
                and resident.leases < resident.share
                and resident.revision >= tenant.revision
            ):
                resident.tokens -= 1
                resident.leases += 1
                self._residents.move_to_end(tenant_id)
                self._hits += 1
                return resident
        finally:
            self._lock.release()
        if resident is not None and not resident.tokens:
            self._refill(resident, tenant)
            return self.hold(tenant)
        return self._hold_slowly(tenant)

    def give_back(self, resident: Resident[App]) -> None:
        """End one lease. Whoever holds it calls this once."""
        self._lock.acquire()
        try:
            resident.used_at = self._clock()
            if resident.turns and not resident.retired:
                resident.turns.pop(0).set()  # the lease goes to who waits for it
                return
            resident.leases -= 1
            if resident.retired:
                self._return_share(resident.tenant_id)
            if resident.leases or not (resident.retired or self._queue):
                return
            finished = resident.retired
            self._retired.discard(resident)
            self._admit()
        finally:
            self._lock.release()
        self._start()
        if finished:
            self._discard(resident)

    def _hold_slowly(self, tenant: Tenant) -> Resident[App]:
        """Lend an instance that has to be built, or waited for, or paid for first."""
        until = time.monotonic() + TURN_SECONDS
        impatient = False
        while True:
            self._short = self._budget.shortage() is not None
            with self._lock:
                found = self._choose(tenant, impatient=impatient)
                crowded = self._is_crowded(found)
                if isinstance(found, Build):
                    found.waiters += not crowded
                    self._waiting += not crowded
                elif found.tokens and not crowded:
                    return self._lend(found)
            self._start()
            if isinstance(found, Resident):
                if self._is_ready(found, tenant, until, crowded=crowded):
                    return found
            elif crowded:
                self._linger(found, until)
            else:
                held = self._wait(found, tenant)
                if held is not None and held.revision >= tenant.revision:
                    return held
                if held is not None:  # its build began before the tenant changed: ask again
                    self.give_back(held)
                impatient = held is None

    def _choose(self, tenant: Tenant, *, impatient: bool) -> Resident[App] | Build[App]:
        """Return the instance to lend, or the build to wait for; begin it if need be."""
        if self._closed:
            raise PoolClosedError(tenant.slug)
        resident = self._residents.get(tenant.id)
        if resident is not None and resident.revision >= tenant.revision:
            return resident
        try:
            build = self._builds.get(tenant.id)
            if build is None:
                build = self._begin(tenant)
            elif self._clock() >= build.deadline:
                self._forget_unwanted(build)
                raise self._too_late(build)
        except PoolError:
            if resident is None:
                self._counts["refusals"] += 1
                raise
            return resident  # stale beats dead
        if resident is not None and (
            impatient
            or self._clock() >= build.patient_until
            or (self._is_crowded(build) and not self._is_young(build))
        ):
            return resident  # the old one serves while the new one is built
        return build

    def _is_crowded(self, found: Resident[App] | Build[App]) -> bool:
        """Say whether one more request would take the thread that somebody else needs."""
        if isinstance(found, Resident):
            return found.leases >= found.share
        older = self._residents.get(found.tenant.id)
        on_loan = self._leftovers(found.tenant.id) + (older.leases if older is not None else 0)
        enough = min(self._max_waiters, found.share - on_loan)
        return found.waiters >= enough or self._waiting >= self._max_waiting

    def _leftovers(self, tenant_id: str) -> int:
        """Return how many requests still hold the tenant's older instances: they are of its share."""
        return sum(one.leases for one in self._retired if one.tenant_id == tenant_id)

    def _return_share(self, tenant_id: str) -> None:
        """Give the present instance what a request that held an older one has taken from it."""
        resident = self._residents.get(tenant_id)
        if resident is None:
            return
        resident.share += 1
        if resident.turns and resident.leases < resident.share:
            resident.leases += 1
            resident.turns.pop(0).set()

    def _is_ready(
        self, resident: Resident[App], tenant: Tenant, until: float, *, crowded: bool
    ) -> bool:
        """Get what an instance could not be lent without; say whether it is lent now."""
        if not crowded:
            self._refill(resident, tenant)
            return False
        if not self._take_turn(resident, until):
            return False
        self._pay(resident, tenant)
        return True

    def _take_turn(self, resident: Resident[App], until: float) -> bool:
        """Wait for one of the tenant's requests to end; say whether its lease is this one's now."""
        turn = threading.Event()
        with self._lock:
            if resident.leases < resident.share:
                return False
            resident.turns.append(turn)
        refused = False
        # While it is in the cache: whoever holds it then knows of its successor, not of this request.
        while self._residents.get(resident.tenant_id) is resident:
            refused = not self._may_linger(resident, until)
            if refused or turn.wait(LOOK_SECONDS):
                break
        with self._lock:
            if turn.is_set():
                return True
            resident.turns.remove(turn)
            self._counts["busy"] += refused
        if refused:
            raise TenantBusyError(resident.slug)
        return False

    def _linger(self, build: Build[App], until: float) -> None:
        """Wait a moment for a build for which enough requests wait already."""
        # Where an older instance can serve, it does when the build is young no longer.
        if build.tenant.id in self._residents or self._may_linger(build, until):
            build.ready.wait(LOOK_SECONDS)
            return
        with self._lock:
            self._counts["refusals"] += 1
            self._forget_unwanted(build)
        raise TooManyWaitersError(build.tenant.slug)

    def _may_linger(self, found: Resident[App] | Build[App], until: float) -> bool:
        """Say whether a surplus request may wait on, for what comes soon or because nobody minds."""
        if time.monotonic() >= until:
            return False
        # Two looks: another thread may be just about to let in whom the first one sees.
        return self._moves(found) or not (self._others_wait() and self._still_wait())

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

    def _is_young(self, build: Build[App]) -> bool:
        """Say whether a build may be done in a moment, and those as well for which everyone waits."""
        everyone_waits = self._waiting >= self._max_waiting
        oldest = next(iter(self._builds.values()), build) if everyone_waits else build
        return self._clock() - oldest.asked_at < YOUNG_SECONDS

    def _still_wait(self) -> bool:
        time.sleep(LOOK_SECONDS / 4)
        return self._others_wait()

    def _refill(self, resident: Resident[App], tenant: Tenant) -> None:
        try:
            drawn = self._draw(tenant)
        except RateLimitError as error:
            with self._lock:
                self._counts["limited"] += 1
            raise TenantLimitError(tenant.slug, error.retry_after or 1) from None
        with self._lock:
            resident.tokens += drawn
            resident.drawn += drawn

    def _pay(self, resident: Resident[App], tenant: Tenant) -> None:
        """Take a token for a lease that has been handed over; without one it is handed on."""
        while True:
            with self._lock:
                if resident.tokens:
                    resident.tokens -= 1
                    self._hits += 1
                    return
            try:
                self._refill(resident, tenant)
            except TenantLimitError:
                self.give_back(resident)
                raise

    def _lend(self, resident: Resident[App]) -> Resident[App]:
        resident.tokens -= 1
        self._hits += 1
        resident.leases += 1
        self._residents.move_to_end(resident.tenant_id)
        return resident

    def _wait(self, build: Build[App], tenant: Tenant) -> Resident[App] | None:
        """Wait for a build; return its instance on loan, or ``None`` if an older one can serve."""
        has_older = tenant.id in self._residents
        limit = build.patient_until if has_older else build.deadline
        build.ready.wait(max(0.0, limit - self._clock()))
        with self._lock:
            self._waiting -= 1
            if build.resident is not None:  # the lease was counted when the build ended
                return build.resident
            build.waiters -= 1
            if tenant.id in self._residents:
                return None
            self._forget_unwanted(build)
            error = build.error
            self._counts["timeouts"] += error is None
        if error is None:
            raise self._overdue(build)
        # One for each waiter: a raised exception carries its own thread's traceback.
        raise type(error)(*error.args)

    def _forget_unwanted(self, build: Build[App]) -> None:
        """Take a build that nobody waits for any more out of the queue for a place."""
        if build.queued and not build.waiters:
            tenant = build.tenant
            del self._queue[tenant.id], self._builds[tenant.id]
            build.queued = False
            build.error = PoolFullError(tenant.slug)

    def _overdue(self, build: Build[App]) -> PoolError:
        if not build.queued:
            log.warning(
                "%s (%s) takes more than %.1f s to build, error %s",
                build.tenant.slug,
                build.tenant.id,
                self._build_seconds,
                build.error_id,
            )
        return self._too_late(build)

    def _too_late(self, build: Build[App]) -> PoolError:
        if build.queued or isinstance(build.error, PoolFullError):  # it never got a place
            return PoolFullError(build.tenant.slug)
        return BuildTimeoutError(build.tenant.slug, build.error_id, RETRY_SLOW)

    # --- building -------------------------------------------------------------------------------

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

    def _held(self) -> int:
        """Return how many places are taken, those of first builds and leftovers included."""
        building = sum(
            tenant_id not in self._residents and not build.queued
            for tenant_id, build in self._builds.items()
        )
        return len(self._residents) + building + len(self._retired)

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

    # --- leaving --------------------------------------------------------------------------------

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
        now = self._clock()
        # Ordered by acquisition, which is not quite the order of release: look at all.
        everyone = self._snapshot()
        return self._evict(one for one in everyone if now - one.used_at >= self._idle_limit(one))

    def shed(self) -> int:
        """While the process takes more than it may, give up some idle instances; return how many.

        Only as long as it helps: Python keeps what small objects leave, to use it again, and then
        giving up the rest would not bring the memory back.
        """
        self._short = self._budget.shortage() is not None
        memory = self._budget.footprint().memory_mb
        if not self._short:
            self._shed_at = 0.0
            return 0
        if abs(memory - self._shed_at) < self._budget.memory_mb * HELPS:
            return 0
        self._shed_at = memory
        idle = [one for one in self._snapshot() if not one.leases]
        return self._evict(idle[: -(-len(idle) // SHED_SHARE)])

    def _snapshot(self) -> list[Resident[App]]:
        """Return all instances, so that looking at each of many holds nobody up."""
        with self._lock:
            return list(self._residents.values())

    def _evict(self, chosen: Iterable[Resident[App]]) -> int:
        evicted = []
        for resident in chosen:
            tenant_id = resident.tenant_id
            with self._lock:
                if (
                    not resident.leases
                    and tenant_id not in self._builds
                    and self._residents.get(tenant_id) is resident
                ):
                    del self._residents[tenant_id]
                    self._counts["evictions"] += 1
                    evicted.append(resident)
        with self._lock:
            self._admit()
        self._start()
        for resident in evicted:
            self._discard(resident)
        return len(evicted)

    def _idle_limit(self, resident: Resident[App]) -> float:
        # Where the newer revision cannot be built, the stale instance is all that there is.
        leaves_soon = resident.stale and resident.tenant_id not in self._failures
        return min(STALE_SECONDS, self._idle_seconds) if leaves_soon else self._idle_seconds

    def close(self) -> None:
        """Lend nothing more; dispose of what is idle now, and of the rest when its leases end."""
        with self._lock:
            self._closed = True
            residents = list(self._residents.values())
            self._residents.clear()
            finished = [r for r in residents if self._retire(r)]
            for tenant_id, build in self._queue.items():
                del self._builds[tenant_id]
                build.queued = False
                build.error = PoolClosedError(build.tenant.slug)
                build.ready.set()
            self._queue.clear()
        for resident in finished:
            self._discard(resident)

    def _retire(self, resident: Resident[App]) -> bool:
        """Take an instance out of use; say whether nobody holds it any more."""
        resident.retired = True
        self._counts["retirements"] += 1
        if resident.leases:
            self._retired.add(resident)
        return not resident.leases

    def _discard_evicted(self, build: Build[App]) -> None:
        evicted, build.evicted = build.evicted, None
        if evicted is not None:
            self._discard(evicted)

    def _discard(self, resident: Resident[App]) -> None:
        """Dispose of an instance that nobody can reach any more."""
        self._dispose_of(resident.instance, resident.tenant_id, resident.slug)
        with self._lock:
            self._counts["disposals"] += 1

    def _dispose_of(self, instance: App, tenant_id: str, slug: str) -> None:
        try:
            self._dispose(instance)
        except Exception:
            log.exception("disposing of an instance of %s failed", slug)
        self._collector.watch(instance, tenant_id, slug)

    # --- telling --------------------------------------------------------------------------------

    def stats(self) -> PoolStats:
        """Return the counters."""
        with self._lock:
            residents = list(self._residents.values())
            retired = list(self._retired)
            counts = dict(
                self._counts,
                builds_running=len(self._builds) - len(self._queue),
                waiting=self._waiting,
                queued=len(self._queue),
                backing_off=len(self._failures),
                hits=self._hits,
            )
        leases = sum(one.leases for one in residents) + sum(one.leases for one in retired)
        return PoolStats(instances=len(residents), leases=leases, **counts)

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
