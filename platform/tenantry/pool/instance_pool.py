"""The instance pool, composed of state, builder and admission.

Laws, each with a test: one build per tenant however many requests miss at once; nothing foreign runs
under the lock; an instance in use is never disposed of; the last lease out disposes of a retired one;
a tenant never has more requests in flight than it may; everything is bounded.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic

from tenantry.limits.backlog import Listeners
from tenantry.limits.line import WAIT_SECONDS
from tenantry.pool.admission import Admission
from tenantry.pool.builder import Builder
from tenantry.pool.lease import Lease
from tenantry.pool.parts import App, PooledInstance
from tenantry.pool.state import PoolState
from tenantry.resources.budget import Budget
from tenantry.resources.gc_control import GcControl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tenantry.pool.reports import BuildReport, FailureReport, PoolStats
    from tenantry.values.tenant import Tenant

UNLIMITED = 1 << 60

SHED_SHARE = 10
"""While memory is short, one in so many idle instances is given up at each look."""

HELPS = 0.005
"""Part of the limit by which memory has to change before more is given up."""


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
    :param wait_seconds: How long a request waits in a line, at most.
    :param max_waiters: Requests waiting for one tenant's build, at most.
    :param max_waiting: Requests waiting for any build, and builds waiting for a place, at most. One
        less than the server's threads keeps one free for tenants that need no build.
    :param max_in_flight: How many requests a tenant may have at once.
    :param take_tokens: Takes a tenant's right to some more requests.
    :param listeners: Tells whether a connection is queued for which no thread is free.
    """

    def __init__(
        self,
        build: Callable[[Tenant], App],
        *,
        dispose: Callable[[App], None] = lambda _: None,
        probe: Callable[[App, Tenant], None] = lambda _app, _tenant: None,
        budget: Budget | None = None,
        gc_control: GcControl | None = None,
        idle_seconds: float = 3600,
        build_seconds: float = 4.0,
        wait_seconds: float = WAIT_SECONDS,
        max_waiters: int = 2,
        max_waiting: int = 3,
        max_in_flight: Callable[[Tenant], int] = lambda _: UNLIMITED,
        take_tokens: Callable[[Tenant], int] = lambda _: UNLIMITED,
        listeners: Listeners | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget or Budget()
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._state: PoolState[App] = PoolState(
            budget=self._budget,
            idle_seconds=idle_seconds,
            build_seconds=build_seconds,
            max_waiters=max_waiters,
            max_waiting=max_waiting,
            clock=clock,
        )
        self._builder = Builder(
            self._state, build, dispose=dispose, probe=probe, gc_control=gc_control or GcControl()
        )
        self._admission = Admission(
            self._state,
            self._builder,
            max_in_flight=max_in_flight,
            take_tokens=take_tokens,
            listeners=listeners or Listeners(),
            wait_seconds=wait_seconds,
        )
        self._shed_at = 0.0  # MiB that the process took when it last gave up some

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<InstancePool: {stats.instances} instances, {stats.leases} leases, "
            f"{stats.builds_running} builds, {stats.backing_off} backing off>"
        )

    def __len__(self) -> int:
        return len(self._state.instances)

    def acquire(self, tenant: Tenant) -> Lease[App]:
        """Lend the tenant's instance, building it if there is none of its revision.

        While the newest revision is being built, or if it cannot be, an older instance serves on.

        :raises BuildFailedError: The factory raised, now or a short while ago.
        :raises BuildTimeoutError: The build takes longer than a request may wait.
        :raises TooManyWaitersError: Enough requests wait already.
        :raises TenantBusyError: The tenant has as many requests in flight as it may.
        :raises TenantLimitError: The tenant asks more often than it may.
        :raises PoolFullError: Every instance is in use.
        :raises PoolClosedError: The process is stopping.
        """
        pooled = self._state.lend(tenant) or self._admission.admit(tenant)
        # How long requests take matters where they fill the tenant's limit: only those are timed.
        timed = pooled.leases >= pooled.max_in_flight
        return Lease(self._builder, pooled, self._clock() if timed else 0.0)

    def warm(self, tenant: Tenant) -> bool:
        """Build the tenant's instance in this thread, if there is room and nobody does so already.

        :returns: Whether it is there now.
        """
        self._state.short = self._budget.shortage() is not None
        build = self._state.begin(tenant, self._max_in_flight(tenant))
        if build is not None:
            self._builder.run(build)
        return self._state.has(tenant)

    def retire(self, revisions: Mapping[str, int] | None) -> None:
        """Note that tenants have changed: what was built for an older revision is stale.

        A stale instance serves on until the new one is there, which the next request asks for; if
        that fails, or nobody asks, it leaves when it has not been used for a while.

        :param revisions: Changed tenants' ids with their newest revision; ``None`` if unknown.
        """
        self._state.mark_stale(revisions)

    def evict_idle(self) -> int:
        """Dispose of instances that nobody has used for a while; return how many."""
        now, limit = self._clock(), self._state.idle_limit
        # Ordered by acquisition, which is not quite the order of release: look at all.
        everyone = self._state.snapshot()
        return self._evict(one for one in everyone if now - one.used_at >= limit(one))

    def shed(self) -> int:
        """While the process takes more than it may, give up some idle instances; return how many.

        Only as long as it helps: Python keeps what small objects leave, to use it again, and then
        giving up the rest would not bring the memory back.
        """
        self._state.short = self._budget.shortage() is not None
        memory = self._budget.footprint().memory_mb
        if not self._state.short:
            self._shed_at = 0.0
            return 0
        if abs(memory - self._shed_at) < self._budget.memory_mb * HELPS:
            return 0
        self._shed_at = memory
        idle = [one for one in self._state.snapshot() if not one.leases]
        return self._evict(idle[: -(-len(idle) // SHED_SHARE)])

    def _evict(self, chosen: Iterable[PooledInstance[App]]) -> int:
        evicted = [pooled for pooled in chosen if self._state.evict(pooled)]
        self._builder.start()
        for pooled in evicted:
            self._builder.discard(pooled)
        return len(evicted)

    def close(self) -> None:
        """Lend nothing more; dispose of what is idle now, and of the rest when its leases end."""
        for pooled in self._state.close():
            self._builder.discard(pooled)

    def stats(self) -> PoolStats:
        """Return the counters."""
        return self._state.stats()

    def failures(self) -> list[FailureReport]:
        """Return the tenants whose newest revision could not be built, the latest ones first."""
        return self._state.failures()

    def slowest(self) -> list[BuildReport]:
        """Return the builds that took longest, the slowest one first."""
        return self._state.slowest_builds()
