"""The bounded cache of instances: each tenant's app is built once, lent, retired and disposed of.

Laws, each with a test: one build per tenant however many requests miss at once; nothing foreign runs
under the lock; an instance in use is never disposed of; the last lease out disposes of a retired one;
a tenant never has more than its share of the threads; everything is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.errors import PoolClosedError
from tenantry.pool.lending import Lending
from tenantry.pool.parts import Lease, Resident
from tenantry.pool.shelf import App

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tenantry.values.tenant import Tenant

STALE_SECONDS = 60.0
"""An instance whose tenant has changed leaves after so long without a request."""

SHED_SHARE = 10
"""While memory is short, one in so many idle instances is given up at each look."""

HELPS = 0.005
"""Part of the limit by which memory has to change before more is given up."""


class InstancePool(Lending[App]):
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
