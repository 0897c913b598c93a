"""Each tenant's share, and what happens when there is less room than there are tenants."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.errors import (
    PoolClosedError,
    PoolError,
    PoolFullError,
    RateLimitError,
    TenantBusyError,
    TenantLimitError,
    TooManyWaitersError,
)
from tenantry.limits.line import NEAR_SECONDS
from tenantry.pool import state
from tenantry.pool.instance_pool import SHED_SHARE
from tenantry.pool.state import PATIENCE, YOUNG_SECONDS
from tenantry.resources.budget import Budget, Footprint
from tests.conftest import eventually
from tests.tenantry.support import (
    Entrance,
    FakeClock,
    Instance,
    Workshop,
    a_tenant,
    at_once,
    in_background,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.pool import InstancePool
    from tenantry.values.tenant import Tenant

    Pool = InstancePool[Instance]
    MakePool = Callable[..., Pool]

ACME, BOLT, CRUX, DUNE = (a_tenant(slug) for slug in ("acme", "bolt", "crux", "dune"))
ACME2 = a_tenant("acme", revision=2)
MANY = {"max_waiters": 64, "max_waiting": 64, "build_seconds": 30.0}
AT_ONCE = PATIENCE / 2
"""Whoever is answered before that has not been made to wait."""


class Purse:
    """A tenant's tokens: hands out portions until it is told to stop."""

    def __init__(self, portion: int = 5) -> None:
        self.portion = portion
        self.draws = 0
        self.retry_after: int | None = None

    def take_tokens(self, tenant: Tenant) -> int:
        if self.retry_after is not None:
            raise RateLimitError(tenant.slug, self.retry_after)
        self.draws += 1
        return self.portion


class Scale:
    """A process whose memory is what the test says."""

    def __init__(self, *, instances: int = 100) -> None:
        self.memory_mb = 50.0
        ticks = itertools.count()
        self.budget = Budget(
            instances=instances,
            memory_mb=100,
            descriptors=1000,
            measure=lambda: Footprint(self.memory_mb, 10),
            clock=lambda: float(next(ticks)),  # each look is a new one
        )


@pytest.fixture(autouse=True)
def _grown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give new instances no credit."""
    monkeypatch.setattr(state, "NEW_SECONDS", 0.0)


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def entrance() -> Entrance:
    return Entrance()


@pytest.fixture
def shared(make_pool: MakePool, workshop: Workshop, entrance: Entrance) -> Pool:
    """Return a pool in which a tenant may have two requests at once."""
    return make_pool(
        workshop.build,
        dispose=workshop.dispose,
        max_in_flight=lambda _: 2,
        listeners=entrance,
        **MANY,
    )


@pytest.fixture
def single(make_pool: MakePool, workshop: Workshop) -> Pool:
    """Return a pool with room for one instance."""
    return make_pool(workshop.build, dispose=workshop.dispose, max_instances=1, **MANY)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def timed(make_pool: MakePool, workshop: Workshop, entrance: Entrance, clock: FakeClock) -> Pool:
    """Return the shared pool with a clock that the test turns."""
    return make_pool(
        workshop.build, max_in_flight=lambda _: 2, listeners=entrance, clock=clock, **MANY
    )


def in_line(pool: Pool, tenant: Tenant) -> int:
    """Return how many requests wait for one of the tenant's to end."""
    line = pool._state.instances[tenant.id].line
    return len(line.turns) if line is not None else 0


def seconds_of(task: Callable[[], Any]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


# --- the share ----------------------------------------------------------------------------------


def test_a_tenant_never_has_more_than_its_share(shared: Pool) -> None:
    """R54: however many requests come, no more than the share are in the app at once; all get there."""
    lock = threading.Lock()
    inside, most = 0, 0

    def visit(_: int) -> None:
        nonlocal inside, most
        with shared.acquire(ACME):
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.005)
            with lock:
                inside -= 1

    serve(shared, ACME)
    results = at_once(12, visit)

    assert results == [None] * 12
    assert most == 2
    assert shared.stats().busy == 0


def test_one_too_many_gets_its_turn(shared: Pool, entrance: Entrance) -> None:
    """While nobody else needs its thread, a surplus request waits for a lease to end."""
    leases = [shared.acquire(ACME) for _ in range(2)]
    served: list[Instance] = []
    surplus = in_background(lambda: served.append(serve(shared, ACME)))
    eventually(lambda: entrance.looks)  # its turn is not near, and it may wait on
    assert served == []
    assert shared.stats().leases == 2

    leases[0].release()
    surplus.join(10)
    assert served == [leases[1].instance]
    assert shared.stats().busy == 0
    leases[1].release()


def test_one_too_many_makes_way_for_others(shared: Pool, entrance: Entrance) -> None:
    """When somebody else stands at the door, a surplus request is refused at once."""
    entrance.crowd = True
    with shared.acquire(ACME), shared.acquire(ACME):
        started = time.perf_counter()
        with pytest.raises(TenantBusyError) as caught:
            shared.acquire(ACME)
        seconds = time.perf_counter() - started

    assert seconds < AT_ONCE
    assert caught.value.retry_after
    assert caught.value.slug == "acme"
    assert shared.stats().busy == 1


def test_a_busy_site_is_not_refused_for_being_busy(
    timed: Pool, entrance: Entrance, clock: FakeClock
) -> None:
    """A queued connection may want the same site: while its requests end, all get their turn."""
    entrance.crowd = True
    serve(timed, ACME)

    def visit(_: int) -> None:
        for _ in range(20):
            with timed.acquire(ACME):
                clock.advance(NEAR_SECONDS / 30)

    assert at_once(6, visit) == [None] * 6
    assert timed.stats().busy == 0


def test_a_crowd_that_has_just_come_has_credit(
    timed: Pool, entrance: Entrance, clock: FakeClock
) -> None:
    """After a pause all requests begin at once: none has ended lately, and none is refused for that."""
    serve(timed, ACME)
    clock.advance(60)
    entrance.crowd = True
    leases = [timed.acquire(ACME) for _ in range(2)]
    surplus = [in_background(lambda: serve(timed, ACME)) for _ in range(4)]
    eventually(lambda: in_line(timed, ACME) == 4)
    for lease in leases:
        lease.release()
    for thread in surplus:
        thread.join(10)

    assert timed.stats().busy == 0


def test_a_new_instance_has_credit(
    timed: Pool, entrance: Entrance, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a reload a site's first pages take longer: nobody is refused for that."""
    monkeypatch.setattr(state, "NEW_SECONDS", 60.0)
    entrance.crowd = True

    def visit(_: int) -> None:
        with timed.acquire(ACME):
            clock.advance(NEAR_SECONDS * 10)

    assert at_once(6, visit) == [None] * 6


def test_a_slow_site_gets_no_such_credit(shared: Pool, entrance: Entrance) -> None:
    """Where none has ended since the crowd came, the first one too many has waited for nothing."""
    with shared.acquire(ACME), shared.acquire(ACME):
        entrance.crowd = True
        with pytest.raises(TenantBusyError):
            shared.acquire(ACME)
        for _ in range(5):
            looks = entrance.looks
            with pytest.raises(TenantBusyError):
                shared.acquire(ACME)
            assert entrance.looks == looks + 1


def test_a_slow_site_is_known_by_its_pace(
    timed: Pool, entrance: Entrance, clock: FakeClock
) -> None:
    """Requests that have just ended say little where they come in bunches, a second apart."""
    entrance.crowd = True
    for _ in range(2):
        for lease in [timed.acquire(ACME) for _ in range(2)]:
            clock.advance(1)
            lease.release()
    with timed.acquire(ACME), timed.acquire(ACME):
        looks = entrance.looks
        with pytest.raises(TenantBusyError):
            timed.acquire(ACME)
        assert entrance.looks == looks + 1


def test_the_end_of_a_lease_is_heard(shared: Pool, entrance: Entrance) -> None:
    """Who waits for a turn is woken: those who come to the door later do not overtake it for ever."""
    entrance.crowd = True
    serve(shared, ACME)
    ending = threading.Event()

    def hurry() -> None:
        while not ending.is_set():
            with shared.acquire(ACME):
                time.sleep(0.002)

    hurrying = [in_background(hurry) for _ in range(2)]
    waited = [seconds_of(lambda: serve(shared, ACME)) for _ in range(20)]
    ending.set()
    for thread in hurrying:
        thread.join(10)

    assert max(waited) < AT_ONCE
    assert shared.stats().busy == 0


def test_who_waits_already_makes_way_too(shared: Pool, entrance: Entrance) -> None:
    """Somebody who comes later is reason enough for a waiting surplus request to go."""
    errors: list[PoolError] = []

    def visit() -> None:
        try:
            serve(shared, ACME)
        except PoolError as error:
            errors.append(error)

    with shared.acquire(ACME), shared.acquire(ACME):
        surplus = in_background(visit)
        eventually(lambda: entrance.looks)
        entrance.crowd = True
        seconds = seconds_of(lambda: surplus.join(10))

    assert isinstance(errors[0], TenantBusyError)
    assert seconds < AT_ONCE


def test_who_is_just_being_let_in_is_no_crowd(make_pool: MakePool, workshop: Workshop) -> None:
    """A connection that is queued while a thread is idle costs nobody the answer."""
    entrance = Entrance(threads=4)
    entrance.busy.update({1, 2, 3})
    entrance.crowd = True
    pool = make_pool(workshop.build, max_in_flight=lambda _: 2, listeners=entrance, **MANY)
    leases = [pool.acquire(ACME) for _ in range(2)]
    served: list[Instance] = []
    surplus = in_background(lambda: served.append(serve(pool, ACME)))
    eventually(lambda: entrance.looks >= 2)
    for lease in leases:
        lease.release()
    surplus.join(10)

    assert len(served) == 1


def test_patience_has_an_end(make_pool: MakePool, workshop: Workshop) -> None:
    """A surplus request that gets no turn is refused after a while even if nobody else waits."""
    pool = make_pool(workshop.build, max_in_flight=lambda _: 2, wait_seconds=0.1, **MANY)
    with pool.acquire(ACME), pool.acquire(ACME):
        with pytest.raises(TenantBusyError):
            pool.acquire(ACME)
        assert in_line(pool, ACME) == 0

    assert pool.stats().busy == 1


def test_a_crowded_tenant_leaves_its_neighbours_alone(shared: Pool, entrance: Entrance) -> None:
    """Law 4: while one tenant's surplus waits, others are served at once, hot and cold."""
    serve(shared, BOLT)
    leases = [shared.acquire(ACME) for _ in range(2)]
    surplus = [in_background(lambda: serve(shared, ACME)) for _ in range(4)]
    eventually(lambda: in_line(shared, ACME) == 4)

    assert seconds_of(lambda: serve(shared, BOLT)) < AT_ONCE
    assert seconds_of(lambda: serve(shared, CRUX)) < AT_ONCE
    for lease in leases:
        lease.release()
    for thread in surplus:
        thread.join(10)


def test_no_more_than_the_share_wait_for_a_build(
    make_pool: MakePool, workshop: Workshop, entrance: Entrance
) -> None:
    """Who waits for a build is on loan the moment it ends: the share counts there too."""
    pool = make_pool(workshop.build, max_in_flight=lambda _: 2, listeners=entrance, **MANY)
    door = workshop.shut("acme")
    leases: list[Any] = []
    waiting = [in_background(lambda: leases.append(pool.acquire(ACME))) for _ in range(2)]
    eventually(lambda: pool.stats().waiting == 2)
    entrance.crowd = True
    with pytest.raises(TooManyWaitersError):
        pool.acquire(ACME)

    door.set()
    for thread in waiting:
        thread.join(10)
    with pytest.raises(TenantBusyError):
        pool.acquire(ACME)
    for lease in leases:
        lease.release()


def test_a_young_build_is_worth_waiting_for(
    make_pool: MakePool, workshop: Workshop, entrance: Entrance
) -> None:
    """A new worker's first visitors all want the same site: none is refused before it is built."""
    pool = make_pool(workshop.build, max_in_flight=lambda _: 3, listeners=entrance)
    entrance.crowd = True
    threading.Timer(YOUNG_SECONDS / 5, workshop.shut("acme").set).start()
    served = at_once(6, lambda _: serve(pool, ACME))

    assert [type(one) for one in served] == [Instance] * 6
    assert (pool.stats().refusals, pool.stats().busy) == (0, 0)


def test_an_old_build_is_not(make_pool: MakePool, workshop: Workshop, entrance: Entrance) -> None:
    """Law 4: while a slow factory keeps others waiting, no more than so many threads wait for it."""
    pool = make_pool(workshop.build, max_waiters=2, max_waiting=2, listeners=entrance)
    doors = [workshop.shut("acme"), workshop.shut("bolt")]
    entrance.crowd = True
    waiting = [in_background(lambda: serve(pool, ACME)) for _ in range(2)]
    eventually(lambda: pool.stats().waiting == 2)
    time.sleep(YOUNG_SECONDS)
    for tenant in (ACME, BOLT):  # a young build finds no thread to wait in either
        looks = entrance.looks
        with pytest.raises(TooManyWaitersError):
            pool.acquire(tenant)
        assert entrance.looks == looks + 1
    for door in doors:
        door.set()
    for thread in waiting:
        thread.join(10)


def test_a_stale_instance_obeys_the_share(
    make_pool: MakePool, workshop: Workshop, entrance: Entrance
) -> None:
    """An older instance that serves on is no way around the share."""
    pool = make_pool(workshop.build, max_in_flight=lambda _: 2, listeners=entrance, **MANY)
    serve(pool, ACME)
    workshop.broken["acme"] = RuntimeError("bad settings")
    entrance.crowd = True
    with pool.acquire(ACME2), pool.acquire(ACME2), pytest.raises(TenantBusyError):
        pool.acquire(ACME2)


def test_who_is_served_by_an_older_instance_is_not_refused(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """The count of refusals is what visitors were refused, not what the factory could not do."""
    pool = make_pool(workshop.build, max_in_flight=lambda _: 1, **MANY)
    serve(pool, ACME)
    workshop.broken["acme"] = RuntimeError("bad settings")
    for _ in range(5):
        serve(pool, ACME2)
    with pool.acquire(ACME2), pytest.raises(TenantBusyError):
        pool.acquire(ACME2)

    assert (pool.stats().refusals, pool.stats().busy) == (0, 1)


# --- the tokens ---------------------------------------------------------------------------------


def test_tokens_are_drawn_by_the_portion(make_pool: MakePool, workshop: Workshop) -> None:
    """The tenant's bucket is asked once for so many requests, not for each."""
    purse = Purse(portion=5)
    pool = make_pool(workshop.build, take_tokens=purse.take_tokens, **MANY)
    serve(pool, ACME)  # the one that has it built
    assert purse.draws == 0
    for asked, draws in ((1, 1), (4, 1), (1, 2), (4, 2), (1, 3)):
        for _ in range(asked):
            serve(pool, ACME)
        assert purse.draws == draws


def test_an_empty_purse_is_told(make_pool: MakePool, workshop: Workshop) -> None:
    """Who asks too often learns when to come back; neighbours learn nothing of it."""
    purses = {"acme": Purse(portion=2), "bolt": Purse(portion=2)}
    pool = make_pool(
        workshop.build, take_tokens=lambda tenant: purses[tenant.slug].take_tokens(tenant), **MANY
    )
    for tenant in (ACME, BOLT):
        serve(pool, tenant)
        serve(pool, tenant)
    purses["acme"].retry_after = 7
    serve(pool, ACME)  # the portion's second half
    with pytest.raises(TenantLimitError) as caught:
        pool.acquire(ACME)

    assert (caught.value.slug, caught.value.retry_after) == ("acme", 7)
    assert caught.value.args == ("acme", 7)
    assert pool.stats().limited == 1
    for _ in range(5):
        serve(pool, BOLT)
    purses["acme"].retry_after = None
    serve(pool, ACME)
    assert pool.stats().limited == 1


def test_a_refused_draw_says_at_least_a_second(make_pool: MakePool, workshop: Workshop) -> None:
    """Retry-After counts whole seconds, and none of them would be an invitation."""
    purse = Purse()
    purse.retry_after = 0
    pool = make_pool(workshop.build, take_tokens=purse.take_tokens, **MANY)
    serve(pool, ACME)
    with pytest.raises(TenantLimitError) as caught:
        pool.acquire(ACME)

    assert caught.value.retry_after == 1


def test_a_stale_instance_obeys_the_tokens(make_pool: MakePool, workshop: Workshop) -> None:
    """An older instance that serves on is no way around the limit."""
    purse = Purse(portion=3)
    pool = make_pool(workshop.build, take_tokens=purse.take_tokens, **MANY)
    serve(pool, ACME)
    workshop.broken["acme"] = RuntimeError("bad settings")
    for _ in range(6):
        serve(pool, ACME2)
    assert purse.draws == 2
    purse.retry_after = 3
    with pytest.raises(TenantLimitError):
        pool.acquire(ACME2)


def test_who_is_over_the_share_uses_nothing_up(
    make_pool: MakePool, workshop: Workshop, entrance: Entrance
) -> None:
    """What is drawn while a surplus request is refused is there for the next one that is served."""
    purse = Purse(portion=1)
    pool = make_pool(
        workshop.build,
        max_in_flight=lambda _: 1,
        take_tokens=purse.take_tokens,
        listeners=entrance,
        **MANY,
    )
    serve(pool, ACME)
    entrance.crowd = True
    with pool.acquire(ACME):
        for _ in range(5):
            with pytest.raises(TenantBusyError):
                pool.acquire(ACME)
    assert purse.draws == 2
    serve(pool, ACME)

    assert purse.draws == 2


# --- a full pool --------------------------------------------------------------------------------


def test_a_place_is_handed_over(single: Pool, workshop: Workshop) -> None:
    """A request that finds the pool full gets the place of the first instance that is free."""
    lease = single.acquire(ACME)
    served: list[Instance] = []
    waiting = in_background(lambda: served.append(serve(single, BOLT)))
    eventually(lambda: single.stats().queued == 1)
    assert (single.stats().waiting, single.stats().builds_running) == (1, 0)
    assert workshop.built == [("acme", 1)]
    assert workshop.disposed == []

    lease.release()
    waiting.join(10)
    assert [instance.tenant for instance in served] == [BOLT]
    eventually(lambda: [instance.tenant for instance in workshop.disposed] == [ACME])
    assert (single.stats().instances, single.stats().queued) == (1, 0)
    assert (single.stats().evictions, single.stats().refusals) == (1, 0)


def test_first_come_first_served(single: Pool, workshop: Workshop) -> None:
    """Places are handed over in the order in which tenants began to wait."""
    lease = single.acquire(ACME)
    tenants = [a_tenant(f"t{number}") for number in range(6)]
    waiting = []
    for number, tenant in enumerate(tenants, 1):
        waiting.append(in_background(lambda tenant=tenant: serve(single, tenant)))  # type: ignore[misc]
        eventually(lambda number=number: single.stats().queued == number)  # type: ignore[misc]
    lease.release()
    for thread in waiting:
        thread.join(10)

    assert workshop.built == [("acme", 1), *((tenant.slug, 1) for tenant in tenants)]


def test_a_queued_tenant_is_built_once(single: Pool, workshop: Workshop) -> None:
    """Law 3: many requests that wait for one tenant's place are one build."""
    lease = single.acquire(ACME)
    with ThreadPoolExecutor(5) as threads:
        requests = [threads.submit(serve, single, BOLT) for _ in range(5)]
        eventually(lambda: single.stats().waiting == 5)
        assert single.stats().queued == 1
        lease.release()

    assert workshop.built == [("acme", 1), ("bolt", 1)]
    assert len({id(request.result()) for request in requests}) == 1


def test_the_queue_is_bounded(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 6: no more builds wait for a place than requests may wait at all."""
    pool = make_pool(
        workshop.build, max_instances=1, max_waiters=2, max_waiting=2, build_seconds=30.0
    )
    lease = pool.acquire(ACME)
    waiting = [in_background(lambda: serve(pool, BOLT))]
    eventually(lambda: pool.stats().queued == 1)
    waiting.append(in_background(lambda: serve(pool, CRUX)))
    eventually(lambda: pool.stats().queued == 2)
    with pytest.raises(PoolFullError) as caught:
        pool.acquire(DUNE)
    assert caught.value.retry_after
    assert pool.stats().refusals == 1

    lease.release()
    for thread in waiting:
        thread.join(10)


def test_an_abandoned_entry_leaves_nothing(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 6: when the last who waited for a place gives up, nothing is built for it later."""
    pool = make_pool(
        workshop.build,
        dispose=workshop.dispose,
        max_instances=1,
        **MANY | {"build_seconds": 0.05},
    )
    with pool.acquire(ACME):
        results = at_once(3, lambda _: serve(pool, BOLT))
        assert {type(result) for result in results} == {PoolFullError}
        stats = pool.stats()
        assert (stats.queued, stats.builds_running, stats.waiting) == (0, 0, 0)

    assert serve(pool, ACME)
    assert workshop.built == [("acme", 1)]
    assert workshop.disposed == []


def test_an_entry_that_nobody_could_wait_for_leaves_nothing(
    make_pool: MakePool, workshop: Workshop, entrance: Entrance
) -> None:
    """Law 6: a refused request leaves no entry that would push a used instance out for nobody."""
    pool = make_pool(
        workshop.build,
        dispose=workshop.dispose,
        max_instances=1,
        max_waiters=2,
        max_waiting=2,
        build_seconds=30.0,
        listeners=entrance,
    )
    door = workshop.shut("acme")
    waiting = [in_background(lambda: serve(pool, ACME)) for _ in range(2)]
    eventually(lambda: pool.stats().waiting == 2)
    entrance.crowd = True
    with pytest.raises(TooManyWaitersError):
        pool.acquire(BOLT)
    assert pool.stats().queued == 0

    door.set()
    for thread in waiting:
        thread.join(10)
    eventually(lambda: pool.stats().builds_running == 0)
    assert workshop.built == [("acme", 1)]
    assert workshop.disposed == []


def test_a_failed_rebuild_hands_its_place_over(single: Pool, workshop: Workshop) -> None:
    """An instance that is being replaced cannot go; once that has failed it can."""
    serve(single, ACME)
    door = workshop.shut("acme")
    workshop.broken["acme"] = RuntimeError("bad settings")
    old = in_background(lambda: serve(single, ACME2))
    eventually(lambda: single.stats().builds_running == 1)
    served: list[Instance] = []
    waiting = in_background(lambda: served.append(serve(single, BOLT)))
    eventually(lambda: single.stats().queued == 1)
    old.join(10)
    assert served == []
    door.set()
    waiting.join(10)

    assert [instance.tenant for instance in served] == [BOLT]


def test_closing_ends_the_queue(single: Pool, workshop: Workshop) -> None:
    """Who waits for a place when the process stops is told so, and nothing is built any more."""
    errors: list[BaseException] = []

    def visit() -> None:
        try:
            serve(single, BOLT)
        except PoolError as error:
            errors.append(error)

    lease = single.acquire(ACME)
    waiting = [in_background(visit) for _ in range(3)]
    eventually(lambda: single.stats().waiting == 3)
    single.close()
    for thread in waiting:
        thread.join(10)
    lease.release()

    assert [type(error) for error in errors] == [PoolClosedError] * 3
    assert len({id(error) for error in errors}) == 3
    assert (single.stats().queued, single.stats().builds_running) == (0, 0)
    assert workshop.built == [("acme", 1)]


def test_more_tenants_than_places_are_all_served(make_pool: MakePool, workshop: Workshop) -> None:
    """With patience enough nobody is refused, however often places change hands."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, max_instances=2, **MANY)
    tenants = [a_tenant(f"t{number}") for number in range(6)]

    def visit(number: int) -> int:
        for step in range(20):
            tenant = tenants[(number * 7 + step) % len(tenants)]
            with pool.acquire(tenant) as lease:
                assert lease.instance.tenant is tenant
                assert not lease.instance.disposed
        return pool.stats().instances

    results = at_once(8, visit)

    assert max(results) <= 2
    stats = pool.stats()
    assert (stats.queued, stats.refusals, stats.timeouts) == (0, 0, 0)
    eventually(lambda: pool.stats().disposals == pool.stats().evictions)
    assert {instance.disposed for instance in workshop.disposed} == {1}


# --- short of memory ----------------------------------------------------------------------------


def test_short_of_memory_one_goes_for_each_that_comes(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 6: above the memory budget a build takes the place of what was idle for longest."""
    scale = Scale()
    pool = make_pool(workshop.build, dispose=workshop.dispose, budget=scale.budget, **MANY)
    acme, _ = serve(pool, ACME), serve(pool, BOLT)
    scale.memory_mb = 200
    serve(pool, BOLT)
    assert workshop.disposed == []  # a hit asks for nothing
    serve(pool, CRUX)

    eventually(lambda: workshop.disposed == [acme])
    assert pool.stats().instances == 2
    scale.memory_mb = 50
    serve(pool, DUNE)
    assert pool.stats().instances == 3
    assert pool.stats().evictions == 1


def test_short_of_memory_nobody_in_use_goes_and_nobody_is_refused(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 5: the process may take more than it should; visitors are not what it gives up."""
    scale = Scale()
    pool = make_pool(workshop.build, dispose=workshop.dispose, budget=scale.budget, **MANY)
    scale.memory_mb = 200
    leases = [pool.acquire(tenant) for tenant in (ACME, BOLT, CRUX, DUNE)]

    assert pool.stats().instances == 4
    assert pool.shed() == 0
    assert workshop.disposed == []
    for lease in leases:
        lease.release()


def test_shedding_gives_up_a_tenth_of_the_idle(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 6: while memory is short some idle instances go at each look, the oldest first."""
    clock, scale = FakeClock(), Scale()
    pool = make_pool(
        workshop.build, dispose=workshop.dispose, budget=scale.budget, clock=clock, **MANY
    )
    instances = [serve(pool, a_tenant(f"t{number}")) for number in range(25)]
    lease = pool.acquire(a_tenant("t0"))
    assert pool.shed() == 0

    scale.memory_mb = 200
    assert pool.shed() == -(-24 // SHED_SHARE)
    assert workshop.disposed == instances[1:4]
    assert pool.shed() == 0  # it has not helped: the memory stays with the process
    scale.memory_mb = 198
    assert pool.shed() == -(-21 // SHED_SHARE)
    assert workshop.disposed == instances[1:7]
    assert pool.stats().evictions == 6
    scale.memory_mb = 50
    assert pool.shed() == 0
    lease.release()


def test_shedding_comes_to_an_end(make_pool: MakePool, workshop: Workshop) -> None:
    """The last idle one goes too; with nothing left to give up it is over."""
    scale = Scale()
    pool = make_pool(workshop.build, dispose=workshop.dispose, budget=scale.budget, **MANY)
    for number in range(3):
        serve(pool, a_tenant(f"t{number}"))

    shed = []
    for memory in (200, 198, 196, 194):
        scale.memory_mb = memory
        shed.append(pool.shed())
    assert shed == [1, 1, 1, 0]
    assert pool.stats().instances == 0


# --- built before anybody asks ------------------------------------------------------------------


def test_warming_builds_what_is_missing(make_pool: MakePool, workshop: Workshop) -> None:
    """A warmed instance is there for the first visitor, and is not built twice."""
    pool = make_pool(workshop.build, **MANY)
    assert pool.warm(ACME)
    assert pool.warm(ACME)
    assert pool.stats().instances == 1
    assert pool.stats().leases == 0
    serve(pool, ACME)

    assert workshop.built == [("acme", 1)]


def test_warming_pushes_nobody_out(single: Pool, workshop: Workshop, make_pool: MakePool) -> None:
    """Neither a full pool nor one that is short of memory gives anything up for a guess."""
    serve(single, ACME)
    assert not single.warm(BOLT)
    scale = Scale()
    pool = make_pool(workshop.build, dispose=workshop.dispose, budget=scale.budget, **MANY)
    serve(pool, CRUX)
    scale.memory_mb = 200
    assert not pool.warm(BOLT)

    assert [slug for slug, _ in workshop.built] == ["acme", "crux"]
    assert workshop.disposed == []


def test_warming_what_is_broken_fails_quietly(make_pool: MakePool, workshop: Workshop) -> None:
    """A factory that raises answers no, and backs off as for anybody."""
    pool = make_pool(workshop.build, **MANY)
    workshop.broken["acme"] = SystemExit(1)

    assert not pool.warm(ACME)
    assert not pool.warm(ACME)
    assert workshop.built == [("acme", 1)]
    assert pool.stats().backing_off == 1


def test_warming_and_a_visitor_share_one_build(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 3: who comes while an instance is being warmed waits for that one; and the reverse."""
    pool = make_pool(workshop.build, **MANY)
    door = workshop.shut("acme")
    warming = in_background(lambda: pool.warm(ACME))
    eventually(lambda: workshop.built)
    visit = in_background(lambda: serve(pool, ACME))
    eventually(lambda: pool.stats().waiting == 1)
    assert not pool.warm(ACME)
    door.set()
    for thread in (warming, visit):
        thread.join(10)

    assert workshop.built == [("acme", 1)]


def test_a_closed_pool_warms_nothing(make_pool: MakePool, workshop: Workshop) -> None:
    """A stopping process builds nothing more."""
    pool = make_pool(workshop.build, **MANY)
    pool.close()

    assert not pool.warm(ACME)
    assert workshop.built == []


def test_warming_a_newer_revision_replaces_the_older(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """A rebuild needs no second place, whoever asks for it."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, **MANY)
    old = serve(pool, ACME)
    assert pool.warm(ACME2)

    assert serve(pool, ACME2).tenant is ACME2
    assert workshop.disposed == [old]
