"""The pool's laws under random traffic, looked at after every step of every thread."""

from __future__ import annotations

import logging
import random
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import PoolClosedError, PoolError
from tenantry.limits.backlog import Listeners
from tenantry.resources.budget import Budget
from tests.conftest import eventually
from tests.tenantry.referee import (
    ENOUGH,
    LIMIT,
    SHORT,
    Referee,
    check_laws,
    check_rest,
    max_in_flight,
)
from tests.tenantry.support import FakeClock, Instance, a_tenant, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.pool import InstancePool, Lease
    from tenantry.values.tenant import Tenant

    Pool = InstancePool[Instance]
    Hands = list[tuple[Pool, Lease[Instance]]]

TENANTS = [f"t{number}" for number in range(10)]
PLACES = 6
THREADS = 8
STEPS = 150
"""Of each thread in each round; between two rounds nobody asks."""

HANDS = (1, 3, 2, 4)
"""Leases that a thread holds in each round, at most: quiet times and crowded ones."""

EVENTS = {
    "a build fails",
    "a build is queued",
    "a disposal fails",
    "a probe fails",
    "evicted",
    "reloaded",
    "retired on loan",
    "shed",
    "warmed",
    "BuildFailedError",
    "BuildTimeoutError",
    "PoolClosedError",
    "PoolFullError",
    "TenantBusyError",
    "TenantLimitError",
    "TooManyWaitersError",
}
"""What each run has to meet, or it tests less than it says."""


class Guessing(Listeners):
    """A server's door at which a connection is queued now and then."""

    def __init__(self, referee: Referee) -> None:
        super().__init__()
        self._referee = referee

    def has_backlog(self) -> bool:
        return self._referee.has_backlog()


class Traffic:
    """What visitors, owners, operators and time do to pools that follow one another."""

    def __init__(self, make: Callable[[], Pool], referee: Referee, clock: FakeClock) -> None:
        self._make = make
        self._referee = referee
        self._clock = clock
        self._lock = threading.Lock()
        self._revisions = dict.fromkeys(TENANTS, 1)
        self._hands: list[Hands] = [[] for _ in range(THREADS)]
        self._rest = threading.Barrier(THREADS, action=self._look_at_rest, timeout=30)
        self.pools = [make()]

    def go(self, seed: int, number: int) -> None:
        """Be one thread."""
        chance, hands = random.Random(seed * 100 + number), self._hands[number]
        try:
            for most in HANDS:
                for _ in range(STEPS):
                    pool = self._step(chance, hands, most=most)
                    check_laws(pool, self._referee)
                self._rest.wait()
            while hands:
                check_laws(self._leave(chance, hands), self._referee)
        except BaseException:
            self._rest.abort()
            raise

    def _step(self, chance: random.Random, hands: Hands, *, most: int) -> Pool:
        what, pool = chance.random(), self.pools[-1]
        if what < 0.5 and len(hands) < most:
            self._visit(pool, chance, hands)
        elif what < 0.84 and hands:
            return self._leave(chance, hands)
        elif what < 0.9:
            self._change(pool, chance)
        elif what < 0.93:
            self._clock.advance(chance.choice([0.3, 2.0, 70.0, 4000.0]))
        else:
            self._operate(pool, chance)
        return pool

    def _operate(self, pool: Pool, chance: random.Random) -> None:
        what, seen = chance.random(), self._referee.seen
        if what < 0.2:
            self._clock.advance(4000)
            seen["evicted"] += pool.evict_idle()
        elif what < 0.4:
            self._referee.footprint = ENOUGH
        elif what < 0.65:
            self._referee.footprint = chance.choice(SHORT)
            self._clock.advance(0.3)  # for so long it is not asked again
            seen["shed"] += pool.shed()
        elif what < 0.95:
            seen["warmed"] += pool.warm(self._tenant(chance))
        else:
            with self._lock:
                self.pools.append(self._make())
            pool.close()
            seen["reloaded"] += 1

    def _tenant(self, chance: random.Random) -> Tenant:
        slug = chance.choice(TENANTS)
        return a_tenant(slug, revision=self._revisions[slug])

    def _visit(self, pool: Pool, chance: random.Random, hands: Hands) -> None:
        tenant, seen = self._tenant(chance), self._referee.seen
        try:
            lease = pool.acquire(tenant)
        except PoolError as error:
            seen[type(error).__name__] += 1
            closed = isinstance(error, PoolClosedError)
            self._referee.demand(closed <= pool._state.closed, "closed, it says, and is not")
            return
        self._referee.demand(not lease.instance.disposed, "lent after its disposal")
        self._referee.demand(lease.instance.tenant.id == tenant.id, "another tenant's instance")
        hands.append((pool, lease))
        seen["served"] += 1

    def _leave(self, chance: random.Random, hands: Hands) -> Pool:
        pool, lease = hands.pop(chance.randrange(len(hands)))
        self._referee.demand(not lease.instance.disposed, "disposed of while in use")
        lease.release()
        lease.release()
        return pool

    def _change(self, pool: Pool, chance: random.Random) -> None:
        slug = chance.choice(TENANTS)
        with self._lock:
            self._revisions[slug] += 1
        known = chance.random() < 0.8
        pool.retire({a_tenant(slug).id: self._revisions[slug]} if known else None)

    def _look_at_rest(self) -> None:
        eventually(lambda: not builders(), seconds=20)
        leases = [lease for hands in self._hands for _, lease in hands]
        check_rest(self.pools, self._referee, leases)


def builders() -> list[threading.Thread]:
    """Return the threads that build something."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("build-")]


@pytest.fixture
def _quiet() -> Iterator[None]:
    """Keep thousands of tracebacks out of the log."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("seed", range(8))
def test_the_laws_hold_under_random_traffic(
    make_pool: Callable[..., InstancePool[Instance]], seed: int
) -> None:
    """Eight threads ask, leave, change, evict, shed, warm, fail, run short and reload at random."""
    clock, referee = FakeClock(), Referee(seed)

    def make() -> InstancePool[Instance]:
        return make_pool(
            referee.new_factory(),
            dispose=referee.dispose,
            probe=referee.probe,
            take_tokens=referee.take_tokens,
            max_in_flight=max_in_flight,
            listeners=Guessing(referee),
            wait_seconds=0.05,
            budget=Budget(
                instances=PLACES,
                memory_mb=LIMIT,
                descriptors=LIMIT,
                measure=referee.measure,
                clock=clock,
            ),
            max_waiters=2,
            max_waiting=4,
            build_seconds=0.05,
            clock=clock,
        )

    traffic = Traffic(make, referee, clock)
    results = at_once(THREADS, partial(traffic.go, seed))
    eventually(lambda: not builders())
    for pool in traffic.pools:
        pool.close()
    check_rest(traffic.pools, referee, [])

    assert referee.faults == [], f"seed {seed}"
    assert results == [None] * THREADS
    assert referee.seen["served"] > 100
    assert {instance.disposed for instance in referee.built} == {1}
    assert not [event for event in EVENTS if not referee.seen[event]], f"seed {seed}"
