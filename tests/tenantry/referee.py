"""A referee for pools under random traffic: builds their instances, and knows the laws."""

from __future__ import annotations

import random
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from tenantry.errors import ProbeError, RateLimitError
from tenantry.resources.budget import Footprint
from tests.tenantry.support import Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.pool import InstancePool, Lease
    from tenantry.values.tenant import Tenant

    Pool = InstancePool[Instance]

ENOUGH = Footprint(50.0, 50)
SHORT = (Footprint(150.0, 50), Footprint(50.0, 150))
LIMIT = 100
"""Of memory and of descriptors, between the two."""

MOST = 5
"""Faults that are told; what follows from them only hides them."""


class Referee:
    """The foreign code around pools, which fails by chance; it notes each breach of a law."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.built: list[Instance] = []
        self.seen: Counter[str] = Counter()
        self.faults: list[str] = []
        self.footprint = ENOUGH

    def demand(self, held: object, law: str) -> None:
        """Note a fault unless the law holds."""
        if not held and len(self.faults) < MOST:
            self.faults.append(law)

    @property
    def alive(self) -> set[Instance]:
        """What was built and not disposed of."""
        with self._lock:
            return {instance for instance in self.built if not instance.disposed}

    def happens(self, likelihood: float, what: str) -> bool:
        """Throw the dice; count what happens."""
        with self._lock:
            happens = self._chance.random() < likelihood
            self.seen[what] += happens
        return happens

    # --- what a pool is given -------------------------------------------------------------------

    def new_factory(self) -> Callable[[Tenant], Instance]:
        """Return a pool's own factory."""
        return partial(self._build, set())

    def _build(self, building: set[str], tenant: Tenant) -> Instance:
        """Build; now and then fail, take time, or take more time than anybody waits."""
        with self._lock:
            self.demand(tenant.id not in building, "two builds of a tenant at once")
            building.add(tenant.id)
        if self.happens(0.3, "a build takes time"):
            threading.Event().wait(0.001)
        if self.happens(0.01, "a build takes too long"):
            threading.Event().wait(0.06)
        fails = self.happens(0.15, "a build fails")
        with self._lock:
            building.discard(tenant.id)
            if fails:
                raise RuntimeError("bad luck")
            instance = Instance(tenant)
            self.built.append(instance)
        return instance

    def probe(self, instance: Instance, tenant: Tenant) -> None:
        """Be fit to serve, or not."""
        self.demand(instance.tenant is tenant, "probed as another tenant")
        if self.happens(0.2, "a probe fails"):
            raise ProbeError(tenant.slug, "500 BAD LUCK")

    def dispose(self, instance: Instance) -> None:
        """Count; then fail now and then, which changes nothing."""
        with self._lock:
            instance.disposed += 1
        self.demand(instance.disposed == 1, "disposed of twice")
        if self.happens(0.3, "a disposal fails"):
            raise OSError("disposals may fail")

    def take_tokens(self, tenant: Tenant) -> int:
        """Hand out a few tokens, or say that there are none."""
        if self.happens(0.1, "no tokens are left"):
            raise RateLimitError(tenant.slug, 3)
        with self._lock:
            return self._chance.randint(1, 5)

    def has_backlog(self) -> bool:
        """Say now and then that a connection is queued."""
        return self.happens(0.6, "a connection is queued")

    def measure(self) -> Footprint:
        """Say what the process takes."""
        return self.footprint


def max_in_flight(tenant: Tenant) -> int:
    """Return how many requests the tenant may have at once."""
    return 1 + int(tenant.slug.removeprefix("t")) % 3


def check_laws(pool: Pool, referee: Referee) -> None:
    """Look at the pool between two of its steps, and note which of its laws it breaks."""
    demand = referee.demand
    state = pool._state
    with state.lock:
        instances, builds, queue = state.instances, state.builds, state.queue
        # Of places: taken by instances, first builds and leftovers on loan. A swap under a request
        # leaves one more than before for a while; nothing else may.
        first = sum(not b.queued and b.tenant.id not in instances for b in builds.values())
        demand(len(instances) + first <= state.budget.instances, "more instances than places")
        demand(state.held() == len(instances) + first + len(state.retired), "places are miscounted")

        for tenant_id, one in instances.items():
            demand(one.tenant_id == tenant_id == one.instance.tenant.id, "a neighbour's instance")
            demand(not one.retired and one not in state.retired, "retired and still lent")
            demand(not one.instance.disposed, "disposed of and still lent")
            demand(one.leases >= 0, "given back more often than lent")
            demand(one.tokens >= 0, "more requests than drawn for")
        for one in state.retired:
            referee.seen["retired on loan"] += 1
            demand(one.retired and one.leases > 0, "nobody holds it and it is kept")
            demand(not one.instance.disposed, "disposed of while in use")
        on_loan: Counter[str] = Counter()
        for one in state.retired:
            on_loan[one.tenant_id] += one.leases
        for tenant_id, one in instances.items():
            whole = max_in_flight(one.instance.tenant)
            left = on_loan[tenant_id]
            demand(one.max_in_flight == whole - left, "older instances do not count")
            demand(
                one.line is None or not one.line.turns or one.leases >= one.max_in_flight,
                "waits for a turn that is free",
            )
            # Those who waited for a build get it together, whatever the older one has lent meanwhile.
            most = whole + min(state.max_waiters, whole)
            demand(one.leases + left <= most, "a tenant beyond its share")

        for tenant_id, build in builds.items():
            older = instances.get(tenant_id)
            demand(build.tenant.id == tenant_id, "a neighbour's build")
            demand(
                0 <= build.waiters <= min(state.max_waiters, build.max_in_flight),
                "too many wait for it",
            )
            demand(build.queued == (queue.get(tenant_id) is build), "queued, and not in the queue")
            demand(not build.queued or build.evicted is None, "took a place and waits for one")
            demand(older is None or not build.queued, "waits for a place and has one")
            demand(older is None or older.revision < build.tenant.revision, "a step back")
            demand(build.pooled is None, "ended and still there")
        demand(queue.keys() <= builds.keys(), "queued and forgotten")
        demand(len(queue) <= state.max_waiting, "the queue is too long")
        if queue:
            referee.seen["a build is queued"] += 1
            idle = [i for i, one in instances.items() if not one.leases and i not in builds]
            demand(state.held() >= state.budget.instances, "waits for a place that is free")
            demand(not idle, "waits for a place that an idle instance has")
        waiters = sum(build.waiters for build in builds.values())
        demand(waiters <= state.waiting <= state.max_waiting, "waiters are miscounted")
        demand(not state.closed or not (instances or queue), "closed and still lent")


def check_rest(pools: Iterable[Pool], referee: Referee, held: Iterable[Lease[Instance]]) -> None:
    """Look at the pools while nobody asks and no build runs: the referee's count is theirs."""
    demand = referee.demand
    lent = Counter(lease.instance for lease in held)
    kept: set[Instance] = set()
    for pool in pools:
        check_laws(pool, referee)
        with pool._state.lock:
            everyone = [*pool._state.instances.values(), *pool._state.retired]
            demand(not pool._state.waiting, "a waiter was never counted out")
            demand(not pool._state.queue, "queued, and nobody wants it")
            demand(
                not pool._state.builds and not pool._state.starting,
                "a build was never started or ended",
            )
        for one in everyone:
            demand(one.leases == lent.pop(one.instance, 0), "leases are miscounted")
            kept.add(one.instance)
        stats = pool.stats()
        retired = stats.retirements - len(pool._state.retired)
        demand(stats.disposals == stats.evictions + retired, "disposals are miscounted")
    demand(not lent, "lent and forgotten")
    demand(kept == referee.alive, "neither kept nor disposed of")
