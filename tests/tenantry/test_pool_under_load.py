"""The pool's laws under random traffic."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import PoolError
from tests.conftest import eventually
from tests.tenantry.support import FakeClock, Instance, a_tenant, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.pool import InstancePool, Lease
    from tenantry.tenant import Tenant

MAX_INSTANCES = 6
TENANTS = [f"t{number}" for number in range(10)]
THREADS = 8
STEPS = 250


class Referee:
    """A factory that notes each breach of a law that it sees."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.lock = threading.Lock()
        self.building: set[str] = set()
        self.alive: set[int] = set()
        self.faults: list[str] = []

    def build(self, tenant: Tenant) -> Instance:
        with self.lock:
            if tenant.id in self.building:
                self.faults.append(f"two builds of {tenant.slug} at once")
            self.building.add(tenant.id)
            fails, takes_time = self.chance.random() < 0.2, self.chance.random() < 0.3
        if takes_time:
            threading.Event().wait(0.001)
        with self.lock:
            self.building.discard(tenant.id)
            if fails:
                raise RuntimeError("bad luck")
            instance = Instance(tenant)
            self.alive.add(id(instance))
        return instance

    def dispose(self, instance: Instance) -> None:
        with self.lock:
            instance.disposed += 1
            if instance.disposed > 1:
                self.faults.append("disposed of twice")
            self.alive.discard(id(instance))
        raise OSError("disposals may fail")


class Traffic:
    """What visitors, owners and time do to a pool."""

    def __init__(self, pool: InstancePool[Instance], referee: Referee, clock: FakeClock) -> None:
        self.pool = pool
        self.referee = referee
        self.clock = clock
        self.revisions = dict.fromkeys(TENANTS, 1)
        self.seen: Counter[str] = Counter()

    def go(self, chance: random.Random) -> None:
        held: list[Lease[Instance]] = []
        for _ in range(STEPS):
            self.step(chance, held)
            self.look()
        while held:
            self.leave(chance, held)

    def step(self, chance: random.Random, held: list[Lease[Instance]]) -> None:
        what = chance.random()
        if what < 0.55 and len(held) < 3:
            self.visit(chance, held)
        elif what < 0.9 and held:
            self.leave(chance, held)
        elif what < 0.95:
            self.change(chance)
        elif what < 0.98:
            self.clock.advance(chance.choice([0.3, 2.0, 70.0, 4000.0]))
        else:
            self.pool.evict_idle()

    def visit(self, chance: random.Random, held: list[Lease[Instance]]) -> None:
        slug = chance.choice(TENANTS)
        try:
            lease = self.pool.acquire(a_tenant(slug, revision=self.revisions[slug]))
        except PoolError:
            self.seen["refused"] += 1
            return
        if lease.instance.disposed:
            self.referee.faults.append("handed out after its disposal")
        if lease.instance.tenant.slug != slug:
            self.referee.faults.append("another tenant's instance")
        held.append(lease)
        self.seen["served"] += 1

    def leave(self, chance: random.Random, held: list[Lease[Instance]]) -> None:
        lease = held.pop(chance.randrange(len(held)))
        if lease.instance.disposed:
            self.referee.faults.append("disposed of while in use")
        lease.release()
        lease.release()

    def change(self, chance: random.Random) -> None:
        slug = chance.choice(TENANTS)
        with self.referee.lock:
            self.revisions[slug] += 1
        known = chance.random() < 0.8
        self.pool.retire({a_tenant(slug).id: self.revisions[slug]} if known else None)

    def look(self) -> None:
        stats = self.pool.stats()
        if stats.leases < 0 or stats.waiting < 0 or stats.instances > MAX_INSTANCES:
            self.referee.faults.append(f"out of bounds: {stats}")


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Keep thousands of tracebacks out of the log."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("seed", range(4))
def test_the_laws_hold_under_random_traffic(
    make_pool: Callable[..., InstancePool[Instance]], seed: int
) -> None:
    """Laws 3 to 6 and 8: eight threads ask, leave, change, evict and fail at random."""
    clock, referee = FakeClock(), Referee(random.Random(seed))
    pool = make_pool(
        referee.build,
        dispose=referee.dispose,
        max_instances=MAX_INSTANCES,
        max_waiters=64,
        max_waiting=64,
        build_seconds=0.05,
        clock=clock,
    )
    traffic = Traffic(pool, referee, clock)
    results = at_once(THREADS, lambda number: traffic.go(random.Random(seed * 100 + number)))
    eventually(lambda: pool.stats().builds_running == 0)
    pool.close()
    eventually(lambda: not referee.alive)

    assert results == [None] * THREADS
    assert referee.faults == []
    assert pool.stats().leases == 0
    assert traffic.seen["served"] > 100
