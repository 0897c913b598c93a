"""A change without a gap: build, probe, swap, retire; and what an operator sees of it."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.errors import BuildFailedError, ProbeError
from tenantry.pool import build_step
from tenantry.pool.back_off import MAX_REPORTED
from tenantry.pool.build_steps import MAX_STEPS
from tenantry.pool.builder import SLOW_SECONDS
from tenantry.pool.reports import SLOWEST
from tenantry.pool.state import PATIENCE, YOUNG_SECONDS
from tests.conftest import eventually
from tests.tenantry.support import (
    FakeClock,
    Instance,
    Workshop,
    a_tenant,
    at_once,
    crowded,
    in_background,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.pool import InstancePool
    from tenantry.values.tenant import Tenant

    Pool = InstancePool[Instance]
    MakePool = Callable[..., Pool]

ACME, BOLT = a_tenant("acme"), a_tenant("bolt")
ACME2, ACME3 = a_tenant("acme", revision=2), a_tenant("acme", revision=3)
MANY = {"max_waiters": 64, "max_waiting": 64, "build_seconds": 30.0}
AT_ONCE = PATIENCE / 2
"""Whoever is answered before that has not been made to wait."""


class Examiner:
    """A probe that notes whom it saw, and fails those it is told to."""

    def __init__(self) -> None:
        self.seen: list[tuple[Instance, Tenant]] = []
        self.failing: dict[int, BaseException] = {}
        """Revisions that are not fit to serve, and what their app does then."""

    def __call__(self, instance: Instance, tenant: Tenant) -> None:
        self.seen.append((instance, tenant))
        if (error := self.failing.get(tenant.revision)) is not None:
            raise error


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def examiner() -> Examiner:
    return Examiner()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pool(make_pool: MakePool, workshop: Workshop, examiner: Examiner) -> Pool:
    """Return a pool in real time that probes."""
    return make_pool(workshop.build, dispose=workshop.dispose, probe=examiner, **MANY)


@pytest.fixture
def still(make_pool: MakePool, workshop: Workshop, examiner: Examiner, clock: FakeClock) -> Pool:
    """Return a pool that probes, and whose clock stands still."""
    return make_pool(workshop.build, dispose=workshop.dispose, probe=examiner, clock=clock, **MANY)


def change(pool: Pool, tenant: Tenant) -> None:
    """Do what the change feed does when a tenant has a new revision."""
    pool.retire({tenant.id: tenant.revision})


# --- the old one serves while the new one is built ----------------------------------------------


def test_the_old_instance_serves_during_a_long_build(pool: Pool, workshop: Workshop) -> None:
    """A request waits a moment for the newer revision, then gets the older; later ones at once."""
    old = serve(pool, ACME)
    change(pool, ACME2)
    door = workshop.shut("acme")
    started = time.perf_counter()
    assert serve(pool, ACME2) is old
    first = time.perf_counter() - started
    started = time.perf_counter()
    assert [serve(pool, ACME2) for _ in range(20)] == [old] * 20
    later = time.perf_counter() - started

    assert PATIENCE * 0.8 < first < PATIENCE * 5
    assert later < AT_ONCE
    assert workshop.built == [("acme", 1), ("acme", 2)]
    assert pool.stats().builds_running == 1
    assert workshop.disposed == []

    door.set()
    eventually(lambda: pool.stats().builds_running == 0)
    assert serve(pool, ACME2).tenant is ACME2
    eventually(lambda: workshop.disposed == [old])


def test_a_quick_build_serves_the_very_request(pool: Pool, examiner: Examiner) -> None:
    """Law 7: who asks first after a change gets the new state, unless it takes long to build."""
    serve(pool, ACME)
    change(pool, ACME2)

    assert serve(pool, ACME2).tenant is ACME2
    assert [tenant for _, tenant in examiner.seen] == [ACME2]


def test_a_change_makes_nobody_fail(pool: Pool, workshop: Workshop) -> None:
    """While revisions come one after the other, every request of many threads is served."""
    newest = [ACME]
    done = threading.Event()

    def alter() -> None:
        for revision in range(2, 40):
            tenant = a_tenant("acme", revision=revision)
            newest[0] = tenant
            change(pool, tenant)
            assert serve(pool, tenant).tenant.revision == revision
        done.set()

    def visit(number: int) -> int:
        if number == 0:
            alter()
            return 0
        served = 0
        while not done.is_set():
            asked = newest[0]
            with pool.acquire(asked) as lease:
                assert not lease.instance.disposed
                assert lease.instance.tenant.revision >= asked.revision
            served += 1
        return served

    serve(pool, ACME)
    results = at_once(6, visit)

    assert results[0] == 0
    assert all(result > 0 for result in results[1:])
    assert pool.stats().refusals == 0
    assert pool.stats().instances == 1
    assert serve(pool, newest[0]).tenant.revision == 39
    eventually(lambda: len(workshop.disposed) == 38)
    assert {instance.disposed for instance in workshop.disposed} == {1}


def test_many_quick_changes_converge_on_the_newest(pool: Pool, workshop: Workshop) -> None:
    """What changed again while it was built is skipped: after the second comes the last."""
    old = serve(pool, ACME)
    door = workshop.shut("acme")
    for revision in range(2, 30):
        tenant = a_tenant("acme", revision=revision)
        change(pool, tenant)
        assert serve(pool, tenant) is old
    door.set()
    eventually(lambda: pool.stats().builds_running == 0)

    assert serve(pool, tenant).tenant.revision == 29
    assert workshop.built == [("acme", 1), ("acme", 2), ("acme", 29)]
    eventually(lambda: [one.tenant.revision for one in workshop.disposed] == [1, 2])
    assert pool.stats().instances == 1


# --- the probe ----------------------------------------------------------------------------------


def test_only_what_replaces_something_is_probed(
    make_pool: MakePool, workshop: Workshop, examiner: Examiner
) -> None:
    """A first build is not probed: its visitor is the probe, and has nothing older to fall back on."""
    pool = make_pool(workshop.build, probe=examiner, max_instances=1, **MANY)
    serve(pool, ACME)
    serve(pool, BOLT)  # takes acme's place
    serve(pool, ACME)
    assert examiner.seen == []
    new = serve(pool, ACME2)

    assert examiner.seen == [(new, ACME2)]


def test_the_old_instance_serves_while_the_new_one_is_probed(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """The swap comes after the probe, and a probe that hangs takes nothing from visitors."""
    go_on = threading.Event()

    def probe(_: Instance, __: Tenant) -> None:
        assert go_on.wait(30)

    pool = make_pool(workshop.build, dispose=workshop.dispose, probe=probe, **MANY)
    old = serve(pool, ACME)
    assert serve(pool, ACME2) is old
    assert len(workshop.built) == 2, "the new one waits for its probe"
    assert serve(pool, BOLT).tenant is BOLT
    go_on.set()
    eventually(lambda: pool.stats().builds_running == 0)

    assert serve(pool, ACME2).tenant is ACME2
    eventually(lambda: workshop.disposed == [old])


@pytest.mark.parametrize(
    "error",
    [ProbeError("acme", "500 Internal Server Error"), KeyError("theme"), SystemExit(1)],
    ids=repr,
)
def test_a_failing_probe_keeps_the_old_instance(
    still: Pool, workshop: Workshop, examiner: Examiner, error: BaseException
) -> None:
    """Law 8: what does not pass its probe never sees a visitor, and is disposed of, once."""
    old = serve(still, ACME)
    change(still, ACME2)
    examiner.failing[2] = error
    assert [serve(still, ACME2) for _ in range(10)] == [old] * 10

    assert workshop.built == [("acme", 1), ("acme", 2)]
    eventually(lambda: [one.tenant for one in workshop.disposed] == [ACME2])
    assert workshop.disposed[0].disposed == 1
    assert workshop.disposed[0] is examiner.seen[0][0]
    stats = still.stats()
    assert (stats.instances, stats.failures, stats.backing_off, stats.refusals) == (1, 1, 1, 0)


def test_a_failing_probe_is_told(still: Pool, examiner: Examiner) -> None:
    """The operator reads which revision failed, why, what serves instead and when it is retried."""
    before = time.time()
    serve(still, ACME)
    examiner.failing[2] = ProbeError("acme", "500 Internal Server Error")
    serve(still, ACME2)

    (failure,) = still.failures()
    assert (failure.tenant, failure.slug) == (ACME.id, "acme")
    assert (failure.revision, failure.serving, failure.attempts) == (2, 1, 1)
    assert failure.problem.startswith("ProbeError: ")
    assert "500 Internal Server Error" in failure.problem
    assert 0.75 <= failure.retry_in <= 1.25
    assert before <= failure.at <= time.time()
    assert len(failure.error_id) == 8


def test_a_failing_probe_backs_off(
    still: Pool, workshop: Workshop, examiner: Examiner, clock: FakeClock
) -> None:
    """Law 3: it is tried again after growing delays, and success ends the story."""
    serve(still, ACME)
    examiner.failing[2] = RuntimeError("not yet")
    serve(still, ACME2)
    clock.advance(0.7)
    serve(still, ACME2)
    assert len(workshop.built) == 2
    clock.advance(0.6)
    serve(still, ACME2)
    assert len(workshop.built) == 3
    (failure,) = still.failures()
    assert failure.attempts == 2
    assert 1.5 <= failure.retry_in <= 2.5

    examiner.failing.clear()
    clock.advance(3)
    assert serve(still, ACME2).tenant is ACME2
    assert still.failures() == []
    assert still.stats().backing_off == 0


def test_the_next_revision_may_try_at_once(
    still: Pool, workshop: Workshop, examiner: Examiner
) -> None:
    """Who repairs the settings does not sit out the delay of the broken ones."""
    serve(still, ACME)
    examiner.failing[2] = RuntimeError("bad settings")
    serve(still, ACME2)
    change(still, ACME3)

    assert serve(still, ACME3).tenant is ACME3
    assert workshop.built == [("acme", 1), ("acme", 2), ("acme", 3)]
    assert still.failures() == []


# --- what an operator sees ----------------------------------------------------------------------


def test_a_failure_with_nothing_to_serve_is_told_as_such(
    still: Pool, workshop: Workshop, clock: FakeClock
) -> None:
    """A site that is down reads differently from one that serves its older revision."""
    workshop.broken["acme"] = ValueError("no such theme\nand more that only the log needs")
    with pytest.raises(BuildFailedError) as caught:
        still.acquire(ACME)
    (failure,) = still.failures()
    assert failure.serving is None
    assert failure.problem == "ValueError: no such theme"
    assert failure.error_id == caught.value.error_id

    clock.advance(1000)
    assert still.failures()[0].retry_in == 0


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(RuntimeError(), "RuntimeError", id="nothing to say"),
        pytest.param(RuntimeError("\n"), "RuntimeError: ", id="an empty line"),
        pytest.param(RuntimeError("x" * 1000), "RuntimeError: " + "x" * 286, id="too much to say"),
    ],
)
def test_a_problem_is_one_short_line(
    still: Pool, workshop: Workshop, error: Exception, told: str
) -> None:
    """Whatever a factory raises fits into a row of a table."""
    workshop.broken["acme"] = error
    with pytest.raises(BuildFailedError):
        still.acquire(ACME)

    assert still.failures()[0].problem == told


def test_the_latest_failures_are_told_first_and_not_too_many(
    still: Pool, workshop: Workshop
) -> None:
    """Law 6: a page of failures is bounded however many there are."""
    logging.disable()
    try:
        for number in range(MAX_REPORTED + 5):
            workshop.broken[f"t{number}"] = RuntimeError("no database")
            assert not still.warm(a_tenant(f"t{number}"))
    finally:
        logging.disable(logging.NOTSET)

    slugs = [failure.slug for failure in still.failures()]
    assert slugs == [f"t{number}" for number in reversed(range(5, MAX_REPORTED + 5))]


def test_the_steps_of_a_build_are_timed(make_pool: MakePool) -> None:
    """How long a build took, and where: the factory's own steps stand beside the pool's."""

    def build(tenant: Tenant) -> Instance:
        with build_step("settings"):
            time.sleep(0.02)
        with build_step("theme"):
            pass
        return Instance(tenant)

    def probe(_: Instance, __: Tenant) -> None:
        time.sleep(0.03)

    pool = make_pool(build, probe=probe, **MANY)
    before = time.time()
    serve(pool, ACME)
    serve(pool, ACME2)

    second, first = pool.slowest()
    assert [name for name, _ in first.steps] == ["thread", "settings", "theme", "factory"]
    assert [name for name, _ in second.steps] == ["thread", "settings", "theme", "factory", "probe"]
    steps = dict(second.steps)
    assert steps["settings"] >= 0.02
    assert steps["factory"] >= steps["settings"] + steps["theme"]
    assert steps["probe"] >= 0.03
    assert second.seconds >= steps["thread"] + steps["factory"] + steps["probe"]
    assert (second.tenant, second.slug, second.revision) == (ACME.id, "acme", 2)
    assert before <= second.at <= time.time()


def test_a_step_that_raises_is_timed_too(make_pool: MakePool) -> None:
    """A factory may fail inside a step and go on: the time was spent."""

    def build(tenant: Tenant) -> Instance:
        with suppress(ZeroDivisionError), build_step("cache"):
            assert 1 / 0
        return Instance(tenant)

    pool = make_pool(build, **MANY)
    serve(pool, ACME)

    assert "cache" in dict(pool.slowest()[0].steps)


def test_steps_are_bounded(make_pool: MakePool) -> None:
    """Law 6: of a factory's thousand steps the first are kept, and the pool's own all the same."""

    def build(tenant: Tenant) -> Instance:
        for number in range(1000):
            with build_step(f"file {number}"):
                pass
        return Instance(tenant)

    pool = make_pool(build, **MANY)
    serve(pool, ACME)
    serve(pool, ACME2)

    for report in pool.slowest():
        names = [name for name, _ in report.steps]
        assert len(names) <= MAX_STEPS + 2
        assert names[1] == "file 0"
        assert names.count("factory") == 1
    assert sum("probe" in dict(report.steps) for report in pool.slowest()) == 1


def test_the_steps_of_builds_at_the_same_time_stay_apart(make_pool: MakePool) -> None:
    """A step belongs to the build whose thread makes it."""
    together = threading.Barrier(4)

    def build(tenant: Tenant) -> Instance:
        together.wait(30)
        with build_step(f"of {tenant.slug}"):
            together.wait(30)
        return Instance(tenant)

    pool = make_pool(build, **MANY)
    at_once(4, lambda number: serve(pool, a_tenant(f"t{number}")))

    for report in pool.slowest():
        own = [name for name, _ in report.steps if name.startswith("of ")]
        assert own == [f"of {report.slug}"]


def test_a_step_outside_a_build_does_nothing() -> None:
    """Code that makes steps may be called from anywhere."""
    with build_step("nobody listens"):
        pass
    with pytest.raises(ZeroDivisionError), build_step("nobody listens"):
        raise ZeroDivisionError


def test_the_slowest_builds_are_kept(make_pool: MakePool, clock: FakeClock) -> None:
    """Law 6: of all builds the ten slowest are told of, the slowest one first."""
    durations = [float(number) for number in range(1, 31)]
    random.Random(7).shuffle(durations)
    coming = iter(durations)

    def build(tenant: Tenant) -> Instance:
        clock.advance(next(coming))
        return Instance(tenant)

    pool = make_pool(build, clock=clock, **MANY | {"build_seconds": 1000.0})
    for number in range(len(durations)):
        serve(pool, a_tenant(f"t{number}"))

    slowest = pool.slowest()
    assert [report.seconds for report in slowest] == sorted(durations, reverse=True)[:SLOWEST]
    by_slug = {f"t{number}": seconds for number, seconds in enumerate(durations)}
    assert all(by_slug[report.slug] == report.seconds for report in slowest)


@pytest.mark.parametrize(
    ("seconds", "level"),
    [
        pytest.param(SLOW_SECONDS * 2, logging.INFO, id="slow"),
        pytest.param(SLOW_SECONDS / 2, logging.DEBUG, id="quick"),
    ],
)
def test_a_slow_build_is_in_the_log(
    make_pool: MakePool,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    seconds: float,
    level: int,
) -> None:
    """A quick build is nothing to read about; there may be hundreds per second."""
    caplog.set_level(logging.DEBUG, "tenantry.pool")

    def build(tenant: Tenant) -> Instance:
        clock.advance(seconds)
        return Instance(tenant)

    pool = make_pool(build, clock=clock, **MANY)
    serve(pool, ACME)

    def told() -> list[Any]:
        return [one for one in caplog.records if one.getMessage().startswith("built acme")]

    eventually(told)
    assert [record.levelno for record in told()] == [level]


def test_a_change_seen_late_turns_nothing_back(still: Pool, workshop: Workshop) -> None:
    """A thread that still has the older value gets the newer instance, whatever is being built."""
    serve(still, ACME2)
    door = workshop.shut("acme")
    rebuild = in_background(lambda: serve(still, ACME3))
    eventually(lambda: still.stats().builds_running == 1)

    assert serve(still, ACME).tenant is ACME2
    door.set()
    rebuild.join(10)
    assert serve(still, ACME).tenant is ACME3
    assert len(workshop.built) == 2


def test_a_change_is_seen_by_all_who_come_at_once(make_pool: MakePool, workshop: Workshop) -> None:
    """Law 7: more requests than may wait for a build, and none is given the old instance."""
    pool = make_pool(workshop.build, max_waiters=1, max_waiting=2, listeners=crowded())
    serve(pool, ACME)
    threading.Timer(YOUNG_SECONDS / 5, workshop.shut("acme").set).start()
    served = at_once(6, lambda _: serve(pool, ACME2))

    assert {one.tenant.revision for one in served} == {2}
