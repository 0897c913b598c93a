"""Reports of several workers, put together."""

from __future__ import annotations

import pytest

from tenantry.worker import Figures
from tenantry.worker.figures import Cost, TenantCost
from tests.tenantry.worker.sample import ACME, GLOBEX, expensive, failure, report, usage


def test_a_tenant_in_two_lists_of_one_worker_counts_once() -> None:
    """A worker names a tenant by each cost; that is one tenant's cost, not three."""
    costs = Figures([report(expensive=expensive(usage(ACME, "acme")))]).expensive("wall", 5)
    assert costs == [TenantCost(ACME, "acme", requests=10, wall=0.3, cpu=0.2, database=0.05)]


@pytest.mark.parametrize(
    ("by", "order"),
    [
        pytest.param("wall", ["acme", "globex"], id="wall"),
        pytest.param("cpu", ["globex", "acme"], id="cpu"),
        pytest.param("database", ["acme"], id="nothing is not expensive"),
    ],
)
def test_tenants_are_ordered_by_what_all_workers_have_spent(by: Cost, order: list[str]) -> None:
    """The sum counts, not the largest single worker."""
    reports = [
        report(
            expensive=expensive(
                usage(ACME, "acme", wall=1.0, cpu=0.3),
                usage(GLOBEX, "globex", wall=0.5, cpu=0.2, database=0.0),
            )
        ),
        report(
            expensive=expensive(usage(GLOBEX, "globex", wall=0.4, cpu=0.2, database=0.0)),
        ),
    ]
    assert [cost.slug for cost in Figures(reports).expensive(by, 5)] == order


def test_failures_of_a_tenant() -> None:
    """Two workers fail at different times; the later one is the news. Neighbours' are others'."""
    figures = Figures(
        [
            report(worker=1, failures=[failure(at=1.0), failure(tenant=GLOBEX, at=9.0)]),
            report(worker=2, failures=[failure(at=2.0, revision=4)]),
        ]
    )
    found = [(failure.revision, failure.worker) for failure in figures.failures_of(ACME)]
    assert found == [(4, 2), (3, 1)]
    assert figures.failures_of("d" * 32) == []


def test_reports_of_other_releases_are_understood_as_far_as_they_go() -> None:
    """While new code is taken, workers of two releases answer side by side."""
    figures = Figures([{"pid": 1}, report(failures=[{"slug": "acme", "colour": "red"}])])
    assert [worker.count("hits") for worker in figures.workers] == [0, 10]
    assert [failure.slug for failure in figures.failures] == ["acme"]
    assert figures.workers[0].used("memory_mb") == 0


def test_refusals_of_all_kinds_are_added() -> None:
    """Busy sites, full pools, floods: each was a visitor who got no page."""
    one = report(limits={"refused_tenant": 2, "refused_client": 5})
    one["pool"].update(busy=10, refusals=100)
    assert Figures([one]).workers[0].refused == 117
