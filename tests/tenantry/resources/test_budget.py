"""What a worker may keep, and what it is found to take."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tenantry.resources.budget import LOOK_SECONDS, Budget, Footprint, measure_process
from tests.tenantry.support import FakeClock, at_once

MIB = 1024 * 1024


class Scale:
    """A process that takes what the test says, and counts how often somebody asks."""

    def __init__(self) -> None:
        self.footprint = Footprint(50.0, 10)
        self.asked = 0
        self.error: OSError | None = None

    def __call__(self) -> Footprint:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.footprint


@pytest.fixture
def scale() -> Scale:
    return Scale()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def budget(scale: Scale, clock: FakeClock) -> Budget:
    return Budget(memory_mb=100, descriptors=20, measure=scale, clock=clock)


@pytest.mark.parametrize(
    ("memory_mb", "descriptors", "shortage"),
    [
        pytest.param(50.0, 10, None, id="enough of all"),
        pytest.param(100.0, 20, None, id="just enough"),
        pytest.param(100.1, 10, "memory", id="too much memory"),
        pytest.param(50.0, 21, "descriptors", id="too many descriptors"),
        pytest.param(200.0, 40, "memory", id="too much of both"),
    ],
)
def test_a_shortage_is_named(
    budget: Budget, scale: Scale, memory_mb: float, descriptors: int, shortage: str | None
) -> None:
    """Above a limit there is a shortage; at the limit there is none."""
    scale.footprint = Footprint(memory_mb, descriptors)

    assert budget.shortage() == shortage


def test_a_figure_is_kept_for_a_moment(budget: Budget, scale: Scale, clock: FakeClock) -> None:
    """However many builds ask, the system is asked a few times per second."""
    for _ in range(100):
        assert budget.footprint() is scale.footprint
    assert scale.asked == 1
    clock.advance(LOOK_SECONDS * 0.9)
    budget.shortage()
    assert scale.asked == 1
    scale.footprint = Footprint(200.0, 10)
    clock.advance(LOOK_SECONDS * 0.2)
    assert budget.shortage() == "memory"
    assert scale.asked == 2


def test_many_threads_may_ask(budget: Budget, scale: Scale) -> None:
    """Whoever asks gets a whole figure, never an empty one."""
    results = at_once(8, lambda _: [budget.footprint() for _ in range(100)])

    assert all(found is scale.footprint for result in results for found in result)


def test_the_default_descriptors_leave_some_of_what_the_system_allows() -> None:
    """0 means four fifths of the soft limit: the rest is for requests and logs."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert Budget().descriptors == Budget(descriptors=0).descriptors == soft * 4 // 5
    assert Budget(descriptors=77).descriptors == 77


def test_memory_is_measured_as_the_system_tells_it() -> None:
    """Resident memory as in /proc, and it follows what the process takes."""
    told = next(
        int(line.split()[1]) / 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmRSS")
    )
    before = measure_process().memory_mb
    assert before == pytest.approx(told, rel=0.1)
    block = bytearray(os.urandom(64 * MIB))
    after = measure_process().memory_mb

    assert len(block) == 64 * MIB
    assert after - before > 60


def test_descriptors_are_measured_as_they_are() -> None:
    """Each open file is one more."""
    before = measure_process().descriptors
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(25)]
    after = measure_process().descriptors
    for descriptor in opened:
        os.close(descriptor)

    assert after == before + 25
    assert measure_process().descriptors == before


def test_what_cannot_be_measured_is_a_shortage(
    budget: Budget, scale: Scale, clock: FakeClock
) -> None:
    """Asking takes a descriptor: without one the answer is known, and the older figure is kept."""
    budget.footprint()
    scale.error = OSError(24, "Too many open files")
    clock.advance(1)
    assert budget.shortage() == "descriptors"
    assert budget.footprint().memory_mb == 50.0

    scale.error = None
    clock.advance(1)
    assert budget.shortage() is None


def test_a_process_without_descriptors_is_told_so() -> None:
    """The same with a real process that has none left: it gets an answer, not an exception."""
    program = """
        import os, resource
        from tenantry.resources.budget import Budget

        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        budget = Budget(memory_mb=1 << 20)
        try:
            while True:
                os.dup(0)
        except OSError:
            print(budget.shortage())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={"PYTHONPATH": "platform"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert (done.stdout, done.stderr) == ("descriptors\n", "")
