"""The pool's laws, each with a test that fails when the law is broken."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import (
    BuildFailedError,
    BuildTimeoutError,
    PoolClosedError,
    PoolError,
    PoolFullError,
    TooManyWaitersError,
)
from tenantry.pool.back_off import MAX_FAILURES
from tenantry.pool.state import STALE_SECONDS
from tests.conftest import eventually
from tests.tenantry.support import (
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

ACME, BOLT, CRUX = a_tenant("acme"), a_tenant("bolt"), a_tenant("crux")
ACME2, ACME3 = a_tenant("acme", revision=2), a_tenant("acme", revision=3)
MANY = {"max_waiters": 64, "max_waiting": 64, "build_seconds": 30.0}


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pool(make_pool: MakePool, workshop: Workshop, clock: FakeClock) -> Pool:
    """Return a pool of the workshop whose clock stands still."""
    return make_pool(workshop.build, dispose=workshop.dispose, clock=clock, **MANY)


# --- one build ----------------------------------------------------------------------------------


def test_concurrent_misses_share_one_build(pool: Pool, workshop: Workshop) -> None:
    """Law 3: however many requests arrive during a build, the tenant is built once."""
    door = workshop.shut("acme")
    with ThreadPoolExecutor(32) as threads:
        requests = [threads.submit(serve, pool, ACME) for _ in range(32)]
        eventually(lambda: pool.stats().waiting == 32)
        door.set()

    assert workshop.built == [("acme", 1)]
    assert len({id(request.result()) for request in requests}) == 1
    assert pool.stats().leases == 0


def test_a_failure_is_everyones_failure(pool: Pool, workshop: Workshop) -> None:
    """Law 3: all who wait get the failure of the one build, under one error id, each its own."""
    door = workshop.shut("acme")
    workshop.broken["acme"] = RuntimeError("no database")
    with ThreadPoolExecutor(16) as threads:
        requests = [threads.submit(pool.acquire, ACME) for _ in range(16)]
        eventually(lambda: pool.stats().waiting == 16)
        door.set()
        errors = [request.exception() for request in requests]

    assert workshop.built == [("acme", 1)]
    assert all(isinstance(error, BuildFailedError) for error in errors)
    assert len({error.error_id for error in errors if isinstance(error, PoolError)}) == 1
    assert len({id(error) for error in errors}) == 16


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_whatever_a_factory_raises_is_that_tenants_problem(
    pool: Pool, workshop: Workshop, error: BaseException
) -> None:
    """Law 4: a factory that calls sys.exit() ends neither the process nor the wait."""
    workshop.broken["acme"] = error
    with pytest.raises(BuildFailedError) as caught:
        pool.acquire(ACME)

    assert caught.value.retry_after
    assert str(caught.value.error_id) in str(caught.value)
    assert serve(pool, BOLT).tenant is BOLT


def test_the_log_has_the_traceback_under_the_error_id(
    pool: Pool, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    """The visitor's error id leads the operator to the cause."""
    workshop.broken["acme"] = RuntimeError("no database")
    with pytest.raises(BuildFailedError) as caught:
        pool.acquire(ACME)

    error_id = str(caught.value.error_id)
    eventually(lambda: any(error_id in record.getMessage() for record in caplog.records))
    assert "no database" in caplog.text


def test_a_failing_factory_backs_off(pool: Pool, workshop: Workshop, clock: FakeClock) -> None:
    """Law 3: a failing factory is tried again after growing, jittered delays, not per request."""
    workshop.broken["acme"] = RuntimeError("no database")
    delays = []
    for attempt in range(1, 9):
        with pytest.raises(BuildFailedError) as caught:
            pool.acquire(ACME)  # this one asks the factory
        assert len(workshop.built) == attempt
        assert caught.value.retry_after
        until = pool._state.back_off._failures[ACME.id].retry_at
        delays.append(until - clock.now)
        for moment in (clock.now, until - 0.01):
            clock.now = moment
            with pytest.raises(BuildFailedError):
                pool.acquire(ACME)  # these are told without asking it
        assert len(workshop.built) == attempt
        clock.now = until

    for base, delay in zip([1, 2, 4, 8, 16, 32, 60, 60], delays, strict=True):
        assert 0.75 * base <= delay <= 1.25 * base


def test_delays_are_jittered(make_pool: MakePool, workshop: Workshop, clock: FakeClock) -> None:
    """Law 3: tenants that fail together do not come back together."""
    pool = make_pool(workshop.build, clock=clock, **MANY)
    tenants = [a_tenant(f"t{number}") for number in range(20)]
    for tenant in tenants:
        workshop.broken[tenant.slug] = RuntimeError("no database")
        with pytest.raises(BuildFailedError):
            pool.acquire(tenant)
    clock.advance(1.0)
    for tenant in tenants:
        with pytest.raises(BuildFailedError):
            pool.acquire(tenant)

    assert 20 < len(workshop.built) < 40


def test_a_new_revision_may_try_at_once(pool: Pool, workshop: Workshop) -> None:
    """Law 3: who has just repaired the settings does not sit out the delay of the broken ones."""
    workshop.broken["acme"] = RuntimeError("bad settings")
    with pytest.raises(BuildFailedError):
        pool.acquire(ACME)
    del workshop.broken["acme"]

    assert serve(pool, ACME2).tenant is ACME2
    assert pool.stats().backing_off == 0


def test_success_ends_the_back_off(pool: Pool, workshop: Workshop, clock: FakeClock) -> None:
    """Law 3: the delay starts small again after the tenant has been built."""
    workshop.broken["acme"] = RuntimeError("no database")
    for _ in range(5):
        with pytest.raises(BuildFailedError):
            pool.acquire(ACME)
        clock.advance(100)
    del workshop.broken["acme"]
    serve(pool, ACME)
    workshop.broken["acme"] = RuntimeError("again")
    serve(pool, ACME2)
    clock.advance(1.3)
    serve(pool, ACME2)

    assert workshop.built[-2:] == [("acme", 2), ("acme", 2)]


def test_remembered_failures_are_bounded(make_pool: MakePool, clock: FakeClock) -> None:
    """Law 6: more failing tenants than are remembered push the oldest out, nothing more."""

    def fail(tenant: Tenant) -> Instance:
        raise RuntimeError(tenant.slug)

    pool = make_pool(fail, clock=clock, **MANY)
    logging.disable()
    try:
        for number in range(MAX_FAILURES + 50):
            assert not pool.warm(a_tenant(f"t{number}"))
    finally:
        logging.disable(logging.NOTSET)

    assert pool.stats().backing_off == MAX_FAILURES


# --- no waiting for a neighbour -----------------------------------------------------------------


def test_a_hanging_factory_takes_no_thread_for_long(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 4: who waits for a hanging build is answered, and late comers are answered at once."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, build_seconds=0.05)
    door = workshop.shut("acme")
    with pytest.raises(BuildTimeoutError) as caught:
        pool.acquire(ACME)
    before = threading.active_count()
    late = []
    for _ in range(50):
        with pytest.raises(BuildTimeoutError) as again:
            pool.acquire(ACME)
        late.append(again.value.error_id)

    assert caught.value.retry_after
    assert set(late) == {caught.value.error_id}
    assert threading.active_count() == before
    assert workshop.built == [("acme", 1)]
    assert pool.stats().builds_running == 1
    assert serve(pool, BOLT).tenant is BOLT

    door.set()
    eventually(lambda: pool.stats().builds_running == 0)
    assert serve(pool, ACME).tenant is ACME
    assert workshop.built == [("acme", 1), ("bolt", 1)]


def test_neighbours_are_served_during_a_build(pool: Pool, workshop: Workshop) -> None:
    """Law 4: hot and cold tenants alike are served while another's build hangs."""
    hot = serve(pool, BOLT)
    door = workshop.shut("acme")
    waiting = in_background(lambda: serve(pool, ACME))
    eventually(lambda: pool.stats().waiting == 1)

    assert serve(pool, BOLT) is hot
    assert serve(pool, CRUX).tenant is CRUX

    door.set()
    waiting.join()


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"max_waiters": 2, "max_waiting": 9}, id="of one tenant"),
        pytest.param({"max_waiters": 9, "max_waiting": 2}, id="of all tenants"),
    ],
)
def test_waiters_are_bounded(
    make_pool: MakePool, workshop: Workshop, clock: FakeClock, limits: dict[str, int]
) -> None:
    """Law 6: requests beyond the limit do not wait; a thread stays free for hot tenants."""
    pool = make_pool(workshop.build, clock=clock, build_seconds=30.0, **limits)
    door = workshop.shut("acme")
    waiting = [in_background(lambda: serve(pool, ACME)) for _ in range(2)]
    eventually(lambda: pool.stats().waiting == 2)
    clock.advance(1)  # past the moment that even one too many may wait

    with pytest.raises(TooManyWaitersError) as caught:
        pool.acquire(ACME)
    assert caught.value.retry_after
    assert pool.stats().waiting == 2

    door.set()
    for thread in waiting:
        thread.join()
    assert pool.stats().refusals == 1


def test_one_too_many_waits_as_long_as_most_builds_take(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """A burst at a cold site is not refused when the build is quick."""
    pool = make_pool(workshop.build, max_waiters=1, max_waiting=1)
    results = at_once(12, lambda _: serve(pool, ACME))

    assert {id(result) for result in results} == {id(results[0])}
    assert len(workshop.built) == 1


def test_a_hanging_disposal_holds_up_no_other_tenant(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 4: a tenant gets the place of an instance that does not come to its end."""
    stuck = threading.Event()

    def dispose(instance: Instance) -> None:
        if instance.tenant is ACME:
            assert stuck.wait(30)
        workshop.dispose(instance)

    pool = make_pool(workshop.build, dispose=dispose, max_instances=1, **MANY)
    serve(pool, ACME)
    served: list[Instance] = []
    request = in_background(lambda: served.append(serve(pool, BOLT)))
    try:
        eventually(lambda: served, seconds=3)
        assert serve(pool, BOLT).tenant is BOLT
    finally:
        stuck.set()
        request.join()
    eventually(lambda: len(workshop.disposed) == 1)


class Calling(logging.Handler):
    """A log handler that calls somebody for each record."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self.call = call

    def emit(self, _: logging.LogRecord) -> None:
        self.call()


def test_nothing_foreign_runs_under_the_lock(make_pool: MakePool) -> None:
    """Law 4: factory, dispose and log handlers may all ask the pool, and even serve themselves."""
    seen: Counter[str] = Counter()

    def look(name: str) -> None:
        done = in_background(pools[0].stats)
        done.join(5)
        assert not done.is_alive(), f"{name} ran under the lock"
        seen[name] += 1

    def build(tenant: Tenant) -> Instance:
        look("build")
        if tenant.slug == "acme":
            serve(pools[0], CRUX)
        if tenant.slug == "evil":
            raise RuntimeError("no database")
        return Instance(tenant)

    def dispose(_: Instance) -> None:
        look("dispose")
        serve(pools[0], CRUX)

    log = logging.getLogger("tenantry.pool")
    handler, level = Calling(lambda: look("log")), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    pools = [make_pool(build, dispose=dispose, max_instances=3, **MANY)]
    try:
        for tenant in (ACME, ACME2, BOLT, a_tenant("dune")):
            serve(pools[0], tenant)
        with pytest.raises(BuildFailedError):
            pools[0].acquire(a_tenant("evil"))
        eventually(lambda: pools[0].stats().disposals >= 2)
        eventually(lambda: seen["log"] >= 4)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)

    assert set(seen) == {"build", "dispose", "log"}


def test_without_a_thread_left_the_request_is_told(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 3: if the system has no thread left it is a failed build, and is tried again later."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, max_instances=1, **MANY)
    serve(pool, BOLT)
    usual = threading.stack_size(1 << 46)  # more than any machine has
    try:
        with pytest.raises(BuildFailedError):
            pool.acquire(ACME)
    finally:
        threading.stack_size(usual)

    assert pool.stats().builds_running == 0
    assert len(workshop.disposed) == 1
    assert serve(pool, ACME2).tenant is ACME2


# --- no pulling the rug -------------------------------------------------------------------------


def test_eviction_takes_the_least_recently_used(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 6: a full pool makes room by giving up what was asked for longest ago."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, max_instances=2, **MANY)
    serve(pool, ACME)
    bolt = serve(pool, BOLT)
    serve(pool, ACME)
    serve(pool, CRUX)

    eventually(lambda: workshop.disposed == [bolt])
    assert pool.stats().instances == 2
    assert pool.stats().evictions == 1


def test_eviction_never_takes_what_is_in_use(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 5: a full pool refuses rather than pulls the rug, and takes up again afterwards."""
    options = MANY | {"build_seconds": 0.05}
    pool = make_pool(workshop.build, dispose=workshop.dispose, max_instances=2, **options)
    with pool.acquire(ACME), pool.acquire(BOLT):
        with pytest.raises(PoolFullError) as caught:
            pool.acquire(CRUX)
        assert caught.value.retry_after
        assert workshop.disposed == []

    assert serve(pool, CRUX).tenant is CRUX


def test_idle_instances_go(pool: Pool, workshop: Workshop, clock: FakeClock) -> None:
    """Law 5, 6: after the idle time an instance is disposed of, but never one in use."""
    acme = serve(pool, ACME)
    lease = pool.acquire(BOLT)
    clock.advance(3599)
    assert pool.evict_idle() == 0
    clock.advance(1)
    assert pool.evict_idle() == 1
    assert workshop.disposed == [acme]

    lease.release()
    assert pool.evict_idle() == 0  # the time counts from the end of the request
    clock.advance(3600)
    assert pool.evict_idle() == 1


def test_a_retired_instance_goes_with_its_last_lease(pool: Pool, workshop: Workshop) -> None:
    """Law 5: requests under way end on the instance they began with; then it goes, once."""
    old = [pool.acquire(ACME), pool.acquire(ACME)]
    new = serve(pool, ACME2)

    assert new.tenant is ACME2
    old[0].release()
    assert workshop.disposed == []
    old[1].release()
    assert [instance.tenant for instance in workshop.disposed] == [ACME]
    for lease in old:
        lease.release()
    assert workshop.disposed[0].disposed == 1
    assert pool.stats().disposals == 1


def test_releasing_twice_counts_once(pool: Pool) -> None:
    """Law 5: a lease that is told twice to end does not end somebody else's."""
    first, second = pool.acquire(ACME), pool.acquire(ACME)
    first.release()
    first.release()

    assert pool.stats().leases == 1
    second.release()


def test_a_lease_ends_when_its_block_raises(pool: Pool) -> None:
    """Law 5: an exception gives the instance back."""
    with pytest.raises(ZeroDivisionError), pool.acquire(ACME):
        raise ZeroDivisionError

    assert pool.stats().leases == 0


def test_a_disposal_that_raises_is_logged_and_over(
    make_pool: MakePool, workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 4: a failing dispose costs no request its answer and no other instance its end."""

    def dispose(instance: Instance) -> None:
        workshop.dispose(instance)
        raise OSError("already closed")

    pool = make_pool(workshop.build, dispose=dispose, **MANY)
    serve(pool, ACME)
    serve(pool, BOLT)
    serve(pool, ACME2)
    pool.close()

    eventually(lambda: len(workshop.disposed) == 3)
    eventually(lambda: pool.stats().disposals == 3)
    assert "already closed" in caplog.text


@pytest.mark.parametrize(
    ("given_back", "disposed"),
    [
        pytest.param([], 0, id="both on loan"),
        pytest.param([0], 0, id="one on loan"),
        pytest.param([0, 0], 0, id="one given back twice"),
        pytest.param([0, 1], 1, id="both given back"),
    ],
)
def test_closing_waits_for_the_last_lease(
    pool: Pool, workshop: Workshop, given_back: list[int], disposed: int
) -> None:
    """Law 5: closing never pulls an instance away from a running request."""
    leases = [pool.acquire(ACME), pool.acquire(ACME)]
    pool.close()
    pool.close()
    for number in given_back:
        leases[number].release()

    assert len(workshop.disposed) == disposed
    with pytest.raises(PoolClosedError):
        pool.acquire(BOLT)
    for lease in leases:
        lease.release()


def test_what_is_built_after_closing_is_disposed_of(pool: Pool, workshop: Workshop) -> None:
    """Law 5: a build that outlives the pool still serves who waits for it, then goes."""
    door = workshop.shut("acme")
    served: list[Instance] = []
    request = in_background(lambda: served.append(serve(pool, ACME)))
    eventually(lambda: pool.stats().waiting == 1)
    pool.close()
    door.set()
    request.join()

    assert served == workshop.disposed
    assert pool.stats().instances == 0


# --- a change is seen, stale beats dead ---------------------------------------------------------


def test_a_new_revision_gets_a_new_instance(pool: Pool, workshop: Workshop) -> None:
    """Law 7: an instance belongs to one revision; the next request gets the next."""
    old = serve(pool, ACME)
    new = serve(pool, ACME2)

    assert (old.tenant, new.tenant) == (ACME, ACME2)
    eventually(lambda: workshop.disposed == [old])
    assert pool.stats().retirements == 1


def test_a_late_request_with_an_old_value_gets_the_new_instance(
    pool: Pool, workshop: Workshop
) -> None:
    """Law 7: a thread that looked the tenant up before the change does not turn it back."""
    serve(pool, ACME2)

    assert serve(pool, ACME).tenant is ACME2
    assert workshop.built == [("acme", 2)]


def test_a_change_during_a_build_is_seen(pool: Pool, workshop: Workshop) -> None:
    """Law 7: who asks after the change gets the new state, though the old one is being built."""
    door = workshop.shut("acme")
    early: list[Instance] = []
    late: list[Instance] = []
    first = in_background(lambda: early.append(serve(pool, ACME)))
    eventually(lambda: pool.stats().waiting == 1)
    pool.retire({ACME.id: 2})
    second = in_background(lambda: late.append(serve(pool, ACME2)))
    eventually(lambda: pool.stats().waiting == 2)
    door.set()
    first.join()
    second.join()

    assert early[0].tenant.revision in (1, 2)
    assert late[0].tenant is ACME2
    eventually(lambda: [instance.tenant for instance in workshop.disposed] == [ACME])


def test_a_failing_rebuild_leaves_the_old_instance(
    pool: Pool, workshop: Workshop, clock: FakeClock
) -> None:
    """Law 8: if the new revision cannot be built the old one goes on serving."""
    old = serve(pool, ACME)
    pool.retire({ACME.id: 2})
    workshop.broken["acme"] = RuntimeError("bad settings")
    for _ in range(10):
        assert serve(pool, ACME2) is old
    assert workshop.built == [("acme", 1), ("acme", 2)]

    del workshop.broken["acme"]
    clock.advance(2)
    assert serve(pool, ACME2).tenant is ACME2
    eventually(lambda: workshop.disposed == [old])


def test_a_change_during_a_rebuild_loses_nothing(pool: Pool, workshop: Workshop) -> None:
    """Law 8: of three revisions the last is broken; the newest that works serves."""
    serve(pool, ACME)
    pool.retire({ACME.id: 2})
    door = workshop.shut("acme")
    rebuild = in_background(lambda: serve(pool, ACME2))
    eventually(lambda: pool.stats().waiting == 1)
    pool.retire({ACME.id: 3})
    door.set()
    rebuild.join()
    workshop.broken["acme"] = RuntimeError("bad settings")

    assert serve(pool, ACME3).tenant is ACME2


def test_a_hanging_rebuild_leaves_the_old_instance(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 8: a rebuild that hangs costs one wait; then the old instance serves at once."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, build_seconds=0.05)
    old = serve(pool, ACME)
    door = workshop.shut("acme")

    assert [serve(pool, ACME2) for _ in range(20)] == [old] * 20
    assert len(workshop.built) == 2

    door.set()
    eventually(lambda: pool.stats().builds_running == 0)
    assert serve(pool, ACME2).tenant is ACME2


def test_the_old_instance_serves_a_full_pool(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 8: rebuilding takes no second place, so a full pool does not stop it."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, max_instances=1, **MANY)
    with pool.acquire(ACME):
        assert serve(pool, ACME2).tenant is ACME2


def test_a_stale_instance_in_use_is_not_the_least_used(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 6: what serves in place of a broken rebuild counts as used when it is."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, max_instances=2, **MANY)
    serve(pool, ACME)
    bolt = serve(pool, BOLT)
    workshop.broken["acme"] = RuntimeError("bad settings")
    serve(pool, ACME2)
    serve(pool, ACME2)
    serve(pool, CRUX)

    eventually(lambda: workshop.disposed == [bolt])


def test_an_instance_stays_while_its_successor_is_built(
    make_pool: MakePool, workshop: Workshop, clock: FakeClock
) -> None:
    """Law 6, 8: neither a full pool nor idleness takes the old instance during the rebuild."""
    pool = make_pool(workshop.build, dispose=workshop.dispose, clock=clock, max_instances=2, **MANY)
    acme, bolt = serve(pool, ACME), serve(pool, BOLT)
    pool.retire({ACME.id: 2})
    workshop.broken["acme"] = RuntimeError("bad settings")
    door = workshop.shut("acme")
    served: list[Instance] = []
    rebuild = in_background(lambda: served.append(serve(pool, ACME2)))
    eventually(lambda: pool.stats().waiting == 1)
    serve(pool, CRUX)
    clock.advance(STALE_SECONDS)
    assert pool.evict_idle() == 0
    assert pool.stats().instances == 2

    door.set()
    rebuild.join()
    assert served == [acme]
    eventually(lambda: workshop.disposed == [bolt])


def test_a_stale_instance_nobody_asks_for_leaves_soon(
    pool: Pool, workshop: Workshop, clock: FakeClock
) -> None:
    """A changed tenant without visitors gives its memory back after a minute."""
    serve(pool, ACME)
    serve(pool, BOLT)
    pool.retire({ACME.id: 2})
    clock.advance(STALE_SECONDS)

    assert pool.evict_idle() == 1
    assert [instance.tenant for instance in workshop.disposed] == [ACME]


def test_a_stale_instance_that_cannot_be_replaced_stays(
    pool: Pool, workshop: Workshop, clock: FakeClock
) -> None:
    """Law 8: while the new revision fails, the old instance is all that there is."""
    acme = serve(pool, ACME)
    pool.retire({ACME.id: 2})
    workshop.broken["acme"] = RuntimeError("bad settings")
    assert serve(pool, ACME2) is acme
    clock.advance(STALE_SECONDS * 2)

    assert pool.evict_idle() == 0
    assert serve(pool, ACME2) is acme


def test_what_was_changed_while_it_was_built_leaves_soon_too(
    pool: Pool, workshop: Workshop, clock: FakeClock
) -> None:
    """An instance can be stale from its first moment, and then nobody may ask for it again."""
    door = workshop.shut("acme")
    visit = in_background(lambda: serve(pool, ACME))
    eventually(lambda: pool.stats().waiting == 1)
    pool.retire({ACME.id: 2})
    door.set()
    visit.join()
    clock.advance(STALE_SECONDS)

    assert pool.evict_idle() == 1


def test_forgetting_everything_rebuilds_only_what_changed(pool: Pool, workshop: Workshop) -> None:
    """Law 7: ``retire(None)`` says that anything may have changed; revisions decide."""
    acme, bolt = serve(pool, ACME), serve(pool, BOLT)
    pool.retire(None)

    assert serve(pool, BOLT) is bolt
    assert serve(pool, ACME2) is not acme
    assert len(workshop.built) == 3


# --- what an operator sees ----------------------------------------------------------------------


def test_stats_count(pool: Pool, workshop: Workshop) -> None:
    """Every figure of stats() is what happened, and repr says the most important ones."""
    serve(pool, ACME)
    serve(pool, ACME)
    workshop.broken["bolt"] = RuntimeError("no database")
    for _ in range(3):
        with pytest.raises(BuildFailedError):
            pool.acquire(BOLT)
    with pool.acquire(ACME):
        stats = pool.stats()
        assert (stats.instances, stats.leases, stats.hits) == (1, 1, 2)
        assert (stats.builds, stats.failures, stats.refusals) == (2, 1, 2)
        assert (stats.builds_running, stats.waiting, stats.backing_off) == (0, 0, 1)
        assert repr(pool) == "<InstancePool: 1 instances, 1 leases, 0 builds, 1 backing off>"
