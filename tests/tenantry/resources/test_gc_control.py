"""Freezing and thawing, on the real garbage collector."""

from __future__ import annotations

import gc
import json
import logging
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.resources import gc_control as module
from tenantry.resources.gc_control import (
    GRACE_SECONDS,
    MAX_WATCHED,
    NAMED,
    THAW_SHARE,
    UNNAMED,
    GcControl,
)
from tests.conftest import eventually
from tests.tenantry.support import FakeClock, Workshop, a_tenant, at_once, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.heap


class Thing:
    """An instance that can be part of a cycle."""

    def __init__(self, *, cycle: bool = False) -> None:
        self.me = self if cycle else None
        self.shelf: list[Any] = []


class Unwatchable:
    __slots__ = ()


@pytest.fixture(autouse=True)
def _usual_collector() -> Iterator[None]:
    """Leave the process's collector as it was: nothing frozen, and switched on."""
    gc.unfreeze()
    gc.collect()
    gc.disable()  # a collection of its own accord would do the tests' work for them
    yield
    gc.enable()
    gc.unfreeze()
    gc.collect()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def collector(clock: FakeClock) -> GcControl:
    return GcControl(batch=3, clock=clock)


def watched(collector: GcControl, *, cycle: bool = False) -> weakref.ref[Thing]:
    """Dispose of a thing that nobody has any more; return a way to see whether it lives."""
    thing = Thing(cycle=cycle)
    collector.watch(thing, "id", "acme")
    return weakref.ref(thing)


def full_collection() -> float:
    """Return the seconds that a full collection takes, the best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        gc.collect()
        best = min(best, time.perf_counter() - started)
    return best


# --- freezing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("freeze", ["begin", "freeze"])
def test_freezing_shortens_a_full_collection(collector: GcControl, freeze: str) -> None:
    """What is frozen is out of the collector's sight, so a full collection is short."""
    live = [[number] for number in range(300_000)]
    before = full_collection()
    getattr(collector, freeze)()

    assert gc.get_freeze_count() > len(live)
    assert full_collection() < before / 3


def test_freezing_collects_first(collector: GcControl) -> None:
    """Garbage is not frozen: it could never be found again."""
    thing = watched(collector, cycle=True)
    assert thing() is not None
    collector.freeze()

    assert thing() is None


def test_what_is_frozen_dies_when_nobody_refers_to_it(collector: GcControl) -> None:
    """Freezing hides things from the collector only; counting references goes on."""
    thing = Thing()
    reference = weakref.ref(thing)
    collector.freeze()
    del thing

    assert reference() is None


def test_a_batch_of_builds_is_frozen(collector: GcControl) -> None:
    """Every so many builds what has come since is frozen, and not before."""
    for built in range(1, 7):
        collector.note_built()
        assert collector.figures()["collections"] == built // 3
    assert gc.get_freeze_count()


def test_what_a_batch_leaves_over_is_frozen_when_tended(collector: GcControl) -> None:
    """A few builds do not wait for the batch to be full; without any nothing is done."""
    collector.tend()
    assert collector.figures()["collections"] == 0
    collector.note_built()
    collector.tend()
    assert collector.figures()["collections"] == 1
    collector.tend()
    assert collector.figures()["collections"] == 1


def test_a_pools_builds_are_counted(make_pool: Callable[..., Any], collector: GcControl) -> None:
    """The pool tells the collector of each build."""
    pool = make_pool(Workshop().build, gc_control=collector)
    for number in range(3):
        pool.warm(a_tenant(f"t{number}"))

    assert collector.figures()["collections"] == 1


# --- watching -----------------------------------------------------------------------------------


def test_what_dies_is_forgotten(collector: GcControl, clock: FakeClock) -> None:
    """A disposed instance that dies is nobody's business any more, and costs no thaw."""
    for _ in range(5):
        assert watched(collector)() is None
    clock.advance(GRACE_SECONDS)
    collector.tend()

    assert collector._watched == []
    assert collector.leaked() == []
    assert collector.figures()["thaws"] == 0


def test_a_frozen_cycle_dies_after_a_thaw(collector: GcControl, clock: FakeClock) -> None:
    """A full app refers to itself; frozen, it is found only by thawing, and that happens."""
    thing = Thing(cycle=True)
    reference = weakref.ref(thing)
    collector.freeze()
    collector.watch(thing, "id", "acme")
    del thing
    gc.collect()
    assert reference() is not None
    clock.advance(GRACE_SECONDS - 1)
    collector.tend()
    assert reference() is not None, "too early: a request may still be on its way out"
    clock.advance(1)
    collector.tend()

    assert reference() is None
    assert collector.leaked() == []
    assert collector.figures()["thaws"] == 1
    assert gc.get_freeze_count(), "everything else is frozen again"


def test_what_is_held_is_told(
    collector: GcControl, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """An instance that lives on after a full collection is reported, with kinds of its holders."""
    before = time.time()
    shelf = [Thing()]
    collector.watch(shelf[0], "0123", "acme")
    collector.tend()
    assert collector.leaked() == []
    clock.advance(GRACE_SECONDS)
    collector.tend()

    (leaked,) = collector.leaked()
    assert (leaked.tenant, leaked.slug, leaked.held_by) == ("0123", "acme", "list")
    assert before <= leaked.since <= time.time()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "acme (0123)" in record.getMessage()
    assert "held by: list" in record.getMessage()


def test_several_kinds_of_holders_are_told(collector: GcControl, clock: FakeClock) -> None:
    """Each kind once, in order."""
    thing = Thing()
    keepers: list[Any] = [{"a": thing}, {"b": thing}, [thing], (thing,)]
    collector.watch(thing, "id", "acme")
    del thing
    clock.advance(GRACE_SECONDS)
    collector.tend()

    assert len(keepers) == 4
    assert collector.leaked()[0].held_by == "dict, list, tuple"


def test_what_is_let_go_is_no_longer_leaked(collector: GcControl, clock: FakeClock) -> None:
    """The report shows what lives now."""
    shelf = [Thing()]
    collector.watch(shelf[0], "id", "acme")
    clock.advance(GRACE_SECONDS)
    collector.tend()
    assert len(collector.leaked()) == 1
    shelf.clear()

    assert collector.leaked() == []
    collector.tend()
    assert collector._watched == []


def test_what_was_told_is_not_told_again(
    collector: GcControl, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """One leak is one line in the log and one thaw, however long it lasts."""
    shelf = [Thing()]
    collector.watch(shelf[0], "id", "acme")
    for _ in range(5):
        clock.advance(100_000)
        collector.tend()

    assert len(shelf) == 1
    assert collector.figures()["thaws"] == 1
    assert len(caplog.records) == 1


def test_a_crowd_of_leaked_stops_nobody_for_long(
    collector: GcControl, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Looking for a holder walks through every object: that is done for the first few only."""
    shelf = [Thing() for _ in range(200)]
    for number, thing in enumerate(shelf):
        collector.watch(thing, str(number), "acme")
    del thing
    clock.advance(GRACE_SECONDS)
    collector.tend()

    held_by = [leaked.held_by for leaked in collector.leaked()]
    assert held_by == ["list"] * NAMED + [UNNAMED] * (len(shelf) - NAMED)
    assert len(caplog.records) == NAMED + 1
    assert f"{len(shelf) - NAMED} more" in caplog.records[-1].getMessage()


def test_thaws_are_spaced(collector: GcControl, clock: FakeClock) -> None:
    """A thaw that stopped the process for a while is not repeated before a thousand such whiles."""
    shelf = [Thing()]
    collector.watch(shelf[0], "1", "acme")
    clock.advance(GRACE_SECONDS)
    collector.tend()
    stopped = collector._stopped
    assert stopped > 0
    assert collector._thaw_at == pytest.approx(clock.now + stopped / THAW_SHARE)

    shelf.append(Thing())
    collector.watch(shelf[1], "2", "acme")
    collector._thaw_at = clock.now + GRACE_SECONDS + 10
    clock.advance(GRACE_SECONDS + 9)
    collector.tend()
    assert collector.figures()["thaws"] == 1
    clock.advance(1)
    collector.tend()
    assert collector.figures()["thaws"] == 2
    assert [leaked.tenant for leaked in collector.leaked()] == ["1", "2"]


def test_looking_for_holders_counts_as_a_pause(collector: GcControl, clock: FakeClock) -> None:
    """What stops the process is told and spaced, whether it collects or looks."""
    crowd = [[number] for number in range(300_000)]
    collector.freeze()
    shelf = [Thing() for _ in range(NAMED)]
    for thing in shelf:
        collector.watch(thing, "id", "acme")
    clock.advance(GRACE_SECONDS)
    collector.tend()
    looking = time.perf_counter()
    gc.unfreeze()
    gc.get_referrers(crowd)
    looking = time.perf_counter() - looking

    assert collector._stopped > looking * NAMED / 4
    assert 0 < collector.longest_pause < collector._stopped


def test_short_of_memory_it_thaws_for_what_nobody_watches(
    collector: GcControl, clock: FakeClock
) -> None:
    """Garbage that was frozen alive comes to light when memory is short, at the usual pace."""
    thing = Thing(cycle=True)
    reference = weakref.ref(thing)
    collector.freeze()
    del thing
    clock.advance(100_000)
    collector.tend()
    assert reference() is not None
    collector.tend(short=True)
    assert reference() is None
    assert collector.figures()["thaws"] == 1
    collector.tend(short=True)
    assert collector.figures()["thaws"] == 1, "a process that stays short must not stand still"


def test_what_cannot_be_watched_is_not(collector: GcControl) -> None:
    """A plain WSGI app may be anything, even what takes no weak reference."""
    for instance in (Unwatchable(), 5, (), "app"):
        collector.watch(instance, "id", "acme")

    assert collector._watched == []


def test_the_watch_is_bounded(collector: GcControl, clock: FakeClock) -> None:
    """Law 6: ten thousand leaks are enough to say that there is one."""
    shelf = [Thing() for _ in range(MAX_WATCHED + 10)]
    for thing in shelf:
        collector.watch(thing, "id", "acme")
    assert len(collector._watched) == MAX_WATCHED
    del thing
    shelf.clear()
    collector.tend()
    assert len(collector._watched) == 0


def test_a_pools_disposals_are_watched(
    make_pool: Callable[..., Any],
    collector: GcControl,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Evicted, replaced or refused by its probe: whatever is disposed of has to die."""
    caplog.set_level(logging.CRITICAL, "tenantry.pool")  # a kept traceback holds instances

    def probe(_: Any, tenant: Any) -> None:
        if tenant.revision == 3:
            raise RuntimeError("not fit")

    built: list[Any] = []

    def build(tenant: Any) -> Thing:
        built.append(Thing())
        return built[-1]  # type: ignore[no-any-return]

    pool = make_pool(build, probe=probe, gc_control=collector)
    for revision in (1, 2, 3):
        serve(pool, a_tenant(revision=revision))
    pool.close()
    eventually(lambda: len(collector._watched) == 3)
    clock.advance(GRACE_SECONDS)
    collector.tend()

    assert len(collector.leaked()) == len(built) == 3
    built.clear()
    assert collector.leaked() == []


def test_many_threads_may_use_it(clock: FakeClock) -> None:
    """Requests dispose, builds are noted and the scheduler tends, all at the same time."""
    collector = GcControl(batch=50, clock=clock)
    shelf: list[Thing] = []

    def use(number: int) -> None:
        for step in range(100):
            thing = Thing(cycle=step % 2 == 0)
            if step % 10 == 0:
                shelf.append(thing)
            collector.watch(thing, f"{number}-{step}", "acme")
            if step % 20 == 0:
                collector.note_built()
                clock.advance(GRACE_SECONDS)
                collector.tend(short=number == 0)
                collector.leaked()

    assert at_once(6, use) == [None] * 6
    clock.advance(10_000_000)
    collector.tend()
    assert {leaked.tenant for leaked in collector.leaked()} == {
        f"{number}-{step}" for number in range(6) for step in range(0, 100, 10)
    }


def test_figures_are_plain_numbers(collector: GcControl) -> None:
    """They go to the status page and the metrics as they are."""
    collector.freeze()
    figures = collector.figures()

    assert set(figures) == {"frozen", "collections", "thaws", "longest_pause"}
    assert json.loads(json.dumps(figures)) == figures
    assert figures["frozen"] > 0
    assert 0 < figures["longest_pause"] < 60


def test_its_start_counts_as_no_pause(collector: GcControl) -> None:
    """Before the first request nobody is stopped."""
    collector.begin()

    assert collector.figures()["longest_pause"] == 0
    assert collector.figures()["frozen"] > 0
    assert module.BATCH > 1
