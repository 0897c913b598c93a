"""Token buckets of one process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tenantry.limits import TokenBucket
from tests.tenantry.support import FakeClock


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    """Law 6: after the burst, one thing per tick and no more."""
    clock = FakeClock()
    bucket = TokenBucket(2, burst=4, clock=clock)

    assert [bucket.take() for _ in range(6)] == [True] * 4 + [False] * 2
    clock.advance(0.5)
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_a_quiet_time_fills_it_to_the_burst_only() -> None:
    """A day without requests does not buy a day's worth of them."""
    clock = FakeClock()
    bucket = TokenBucket(100, burst=3, clock=clock)
    clock.advance(86_400)

    assert sum(bucket.take() for _ in range(10)) == 3


def test_asking_an_empty_bucket_costs_nothing() -> None:
    """Clients that go on asking do not push their own turn back."""
    clock = FakeClock()
    bucket = TokenBucket(1, burst=1, clock=clock)
    assert bucket.take()
    for _ in range(9):
        clock.advance(0.1)
        assert not bucket.take()
    clock.advance(0.11)

    assert bucket.take()


def test_threads_share_one_budget() -> None:
    """Law 6: however many threads ask at once, the burst is the burst."""
    bucket = TokenBucket(1, burst=50, clock=FakeClock())
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: bucket.take(), range(400)))

    assert sum(taken) == 50
