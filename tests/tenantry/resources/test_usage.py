"""What each tenant has cost: added up, bounded, sorted."""

from __future__ import annotations

import threading

import pytest

from tenantry.resources.usage import SPENT, Ledger
from tests.tenantry.support import at_once


def test_requests_are_added_up() -> None:
    """Each request adds one, and its times."""
    ledger = Ledger()
    ledger.add("1", "acme", wall=0.5, cpu=0.25, database=0.125)
    ledger.add("1", "acme", wall=1.5, cpu=0.5)
    ledger.add("2", "bolt", wall=0.1)

    ((tenant_id, usage), (other_id, other)) = ledger.top("wall", 10)
    assert (tenant_id, usage.slug, usage.requests) == ("1", "acme", 2)
    assert (usage.wall, usage.cpu, usage.database) == (2.0, 0.75, 0.125)
    assert (other_id, other.requests, other.cpu, other.database) == ("2", 1, 0.0, 0.0)


def test_all_requests_are_counted_for_ever() -> None:
    """What is written to disk, and what a tenant that is gone has had, still counts."""
    ledger = Ledger()
    ledger.add("1", "acme", wall=0.02)
    ledger.add("2", "bolt", wall=3.0, failed=True)
    assert len(ledger.take()) == 2
    ledger.add("1", "acme", wall=0.02)
    ledger.add("2", "bolt", wall=0.02)
    ledger.forget(["1"])

    assert ledger.totals() == pytest.approx([0, 3, 0, 0, 0, 0, 0, 0, 1, 1, 3060.0])
    assert Ledger().totals() == [0] * 11


@pytest.mark.parametrize(
    ("by", "order"),
    [
        pytest.param("requests", ["a", "d", "b"], id="requests"),
        pytest.param("wall", ["b", "c", "d"], id="wall"),
        pytest.param("cpu", ["c", "b", "d"], id="cpu"),
        pytest.param("database", ["d", "c", "b"], id="database"),
    ],
)
def test_the_most_expensive_come_first(by: str, order: list[str]) -> None:
    """Each cost has an order of its own, and no more are told than were asked for."""
    ledger = Ledger()
    for _ in range(4):
        ledger.add("a", "a", wall=0.0)
    for _ in range(3):
        ledger.add("d", "d", wall=1.0, cpu=1.0, database=9.0)
    for _ in range(2):
        ledger.add("b", "b", wall=20.0, cpu=2.0, database=1.0)
    ledger.add("c", "c", wall=9.0, cpu=9.0, database=5.0)

    assert [tenant_id for tenant_id, _ in ledger.top(by, 3)] == order
    assert len(ledger.top(by, 100)) == 4
    assert ledger.top(by, 0) == []


def test_who_was_not_seen_for_longest_is_forgotten() -> None:
    """Law 6: a bounded number of tenants is counted, however many come."""
    ledger = Ledger(most=3)
    for tenant_id in ("a", "b", "c", "a", "d", "e"):
        ledger.add(tenant_id, tenant_id, wall=1.0)
    assert {tenant_id for tenant_id, _ in ledger.top("wall", 10)} == {"a", "d", "e"}
    assert ledger.top("requests", 1)[0][1].requests == 2

    for number in range(10_000):
        ledger.add(str(number), "", wall=1.0)
    assert len(ledger.top("wall", 10_000)) == 3


def test_a_renamed_tenant_has_its_new_name() -> None:
    """The id stays, the slug can change: an operator looks for the one of today."""
    ledger = Ledger()
    ledger.add("1", "acme", wall=1.0)
    ledger.add("1", "acme-corp", wall=1.0)

    ((_, usage),) = ledger.top("wall", 10)
    assert (usage.slug, usage.requests) == ("acme-corp", 2)


def test_threads_lose_nothing() -> None:
    """What many threads add at the same time, while others look, is all there."""
    ledger = Ledger(most=50)

    def work(number: int) -> None:
        for step in range(500):
            ledger.add(str(step % 10), "slug", wall=1.0, cpu=1.0, database=1.0)
            if number == 0:
                ledger.top("wall", 5)

    assert at_once(8, work) == [None] * 8
    usages = [usage for _, usage in ledger.top("requests", 100)]
    assert [usage.requests for usage in usages] == [400] * 10
    assert sum(usage.wall for usage in usages) == 4000.0
    assert sum(usage.database for usage in usages) == 4000.0


def test_what_a_thread_has_spent_is_its_own() -> None:
    """One thread's database time is nobody else's, and begins at nothing."""
    before = SPENT.database
    seen: list[float] = []

    def spend() -> None:
        seen.append(SPENT.database)
        SPENT.database += 5.0
        seen.append(SPENT.database)

    thread = threading.Thread(target=spend)
    thread.start()
    thread.join()

    assert seen == [0.0, 5.0]
    assert SPENT.database == before
