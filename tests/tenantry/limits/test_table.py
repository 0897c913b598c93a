"""The shared table's arithmetic: what its buckets give, when, and whom they forget."""

from __future__ import annotations

import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenantry.limits import RateTable
from tests.tenantry.support import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def table(clock: FakeClock) -> Iterator[RateTable]:
    """Return a table in this process's memory."""
    table = RateTable(None, clock=clock)
    yield table
    table.close()


def drain(table: RateTable, key: str, rate: float, burst: float, *, most: int = 100_000) -> int:
    """Draw one by one until there is nothing left; return how many there were."""
    for number in range(most):
        if not table.take_tokens(key, rate, burst)[0]:
            return number
    raise AssertionError("there is no end to it")


def test_a_key_gets_a_burst_and_then_its_rate(table: RateTable, clock: FakeClock) -> None:
    """Law 6: after the burst, one thing per tick and no more."""
    assert drain(table, "a", 2, 4) == 4
    assert table.take_tokens("a", 2, 4) == (0, 0.5)
    clock.advance(0.5)
    assert drain(table, "a", 2, 4) == 1


def test_keys_have_buckets_of_their_own(table: RateTable) -> None:
    """Law 4: a client that has used up its share takes nothing from another."""
    assert drain(table, "a", 1, 5) == 5
    assert drain(table, "b", 1, 5) == 5


def test_a_quiet_time_fills_a_bucket_to_the_burst_only(table: RateTable, clock: FakeClock) -> None:
    """A day without requests does not buy a day's worth of them."""
    drain(table, "a", 100, 3)
    clock.advance(86_400)
    assert drain(table, "a", 100, 3) == 3


def test_asking_an_empty_bucket_costs_nothing(table: RateTable, clock: FakeClock) -> None:
    """Clients that go on asking do not push their own turn back."""
    drain(table, "a", 1, 1)
    for tenths in range(9, 0, -1):
        clock.advance(0.1)
        drawn, seconds = table.take_tokens("a", 1, 1)
        assert not drawn
        assert seconds == pytest.approx(tenths / 10)
    clock.advance(0.1)
    assert table.take_tokens("a", 1, 1) == (1, 0.0)


def test_several_tokens_are_drawn_as_far_as_there_are(table: RateTable) -> None:
    """A worker that wants a portion takes what is left, be it less."""
    assert table.take_tokens("a", 1, 10, 7) == (7, 0.0)
    assert table.take_tokens("a", 1, 10, 7) == (3, 0.0)
    assert table.take_tokens("a", 1, 10, 7) == (0, 1.0)


STEPS = st.lists(
    st.tuples(st.floats(0, 3), st.integers(1, 50)),
    min_size=1,
    max_size=60,
)


@given(
    rate=st.floats(0.01, 100_000),
    burst=st.floats(1, 1000),
    up=st.floats(0, 1e8),
    steps=STEPS,
)
def test_nobody_gets_more_than_the_burst_and_the_rate(
    rate: float, burst: float, up: float, steps: list[tuple[float, int]]
) -> None:
    """Whatever the pattern and the machine's age, and whoever waits as told is served then."""
    clock = FakeClock()
    clock.now = up
    table = RateTable(None, slots=4, clock=clock)
    total = 0
    for pause, want in steps:
        clock.advance(pause)
        drawn, seconds = table.take_tokens("a", rate, burst, want)
        assert 0 <= drawn <= want
        if not drawn:
            assert 0 < seconds <= 1 / rate + 1e-6
            clock.advance(seconds)
            drawn, _ = table.take_tokens("a", rate, burst, want)
            assert drawn >= 1
        total += drawn
        # A clock of 1e8 seconds counts in steps of 15 ns.
        assert total <= burst + rate * (clock.now - up) + 0.001 + rate * 1e-7 * len(steps)
    table.close()


def test_another_rate_applies_at_once(table: RateTable, clock: FakeClock) -> None:
    """A tenant that changes its plan waits for nothing that the old plan would have wanted."""
    assert drain(table, "a", 0.001, 1) == 1
    assert drain(table, "a", 100, 500) == 500
    clock.advance(0.01)
    assert drain(table, "a", 100, 500) == 1


def test_a_full_set_forgets_the_bucket_that_is_full_again_first(clock: FakeClock) -> None:
    """Law 6: who is missed least has to go, and that is never the one who asks most."""
    table = RateTable(None, slots=4, clock=clock)
    for number, key in enumerate("abcd", start=1):
        assert table.take_tokens(key, 1, 4, number) == (number, 0.0)
    assert table.take_tokens("e", 1, 4, 4) == (4, 0.0)

    assert table.take_tokens("d", 1, 4)[0] == 0
    assert table.take_tokens("c", 1, 4, 4)[0] == 1
    assert table.take_tokens("a", 1, 4, 4)[0] == 4, "it had been forgotten, and may start anew"
    assert table.take_tokens("d", 1, 4)[0] == 0
    table.close()


def test_a_bucket_that_is_full_again_makes_room_first(clock: FakeClock) -> None:
    """What has run out is nobody's loss."""
    table = RateTable(None, slots=4, clock=clock)
    assert table.take_tokens("z", 1, 4, 1)[0] == 1
    for key in "abc":
        assert table.take_tokens(key, 1, 4, 4)[0] == 4
    clock.advance(1)
    assert table.take_tokens("d", 1, 4, 4)[0] == 4

    for key in "abc":
        assert table.take_tokens(key, 1, 4, 4)[0] == 1
    table.close()


def test_random_clients_grow_nothing_and_free_nobody(table: RateTable) -> None:
    """Law 6: 200,000 addresses at one moment leave the process as large as it was, and the limits."""
    chance = random.Random(7)
    drain(table, "flooder", 100, 500)
    for number in range(5000):  # fill what is kept of the newest
        table.take_tokens(f"warm {number}", 100, 500)
    blocks = sys.getallocatedblocks()
    for _ in range(200_000):
        drawn, _ = table.take_tokens(f"client {chance.getrandbits(64):x}", 100, 500)
        assert drawn == 1
    assert sys.getallocatedblocks() - blocks < 5000
    assert table.take_tokens("flooder", 100, 500)[0] == 0


def test_keys_do_not_meet_in_the_same_places_twice(clock: FakeClock) -> None:
    """Each table has a secret of its own, so keys that meet cannot be looked for beforehand."""
    first, second = RateTable(None, clock=clock), RateTable(None, clock=clock)
    keys = [f"client 10.0.{number}.1" for number in range(50)]
    assert [first._place(key) for key in keys] != [second._place(key) for key in keys]
    first.close()
    second.close()


def test_threads_share_one_bucket(table: RateTable) -> None:
    """Law 6: a worker's threads together get what one alone would, and no less."""
    begin = threading.Barrier(8)

    def visit() -> int:
        begin.wait()
        drawn = 0
        for _ in range(100):
            drawn += table.take_tokens("a", 200, 100)[0]
            time.sleep(0.0002)  # let the others come in between
        return drawn

    with ThreadPoolExecutor(8) as threads:
        counts = [threads.submit(visit) for _ in range(8)]
        total = sum(count.result() for count in counts)

    # A thread that was interrupted amid a draw forgets what others have drawn since.
    assert 100 <= total <= 150
