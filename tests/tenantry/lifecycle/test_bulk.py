"""An operation on many tenants as one job: exact, resumable, stopped in the middle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import Actor, Catalog, JobState, SiteState, TenantFilter
from tenantry.catalog.job_claims import JobClaims
from tenantry.errors import BadArgumentError, UnknownPlanError
from tenantry.jobs import JobDefinitions, JobRun, JobWorker
from tenantry.jobs.run import JobStop
from tenantry.lifecycle.bulk import run_bulk
from tenantry.lifecycle.jobs import operation_jobs
from tenantry.values.tenant import TenantState
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from tenantry.catalog import Job
    from tenantry.lifecycle import Operations
    from tenantry.settings import Settings

OLGA = Actor("operator", "olga@x.test")
ALL = TenantFilter()
SLUGS = ("acme", "bolt", "cora")


@pytest.fixture
def operations(catalog: Catalog, settings: Settings) -> Operations:
    """Return the operations of a platform with three sites, in an operator's name."""
    made = ledger.operations(catalog, settings)
    for slug in SLUGS:
        ledger.write(made.create(slug, name=slug), settings)
    made.actor = OLGA
    return made


def work(operations: Operations) -> None:
    jobs = operation_jobs(operations.catalog, operations.settings, operations.factory)
    JobWorker(operations.catalog, lambda: JobDefinitions(jobs)).run(until_empty=True)


def done(operations: Operations, job: Job) -> Job:
    """Let a worker do the job, and return it."""
    work(operations)
    return operations.catalog.jobs.get(job.id)


def count_events(operations: Operations, state: TenantState) -> dict[str, int]:
    """Return how many events say that each tenant came to this state."""
    found = {}
    for slug in SLUGS:
        tenant_id = operations.catalog.tenants.get(slug).id
        events = operations.catalog.audit.list(tenant_id=tenant_id).items
        found[slug] = sum(event.detail.get("after") == state for event in events)
    return found


def test_a_dead_workers_job_goes_on(operations: Operations) -> None:
    """What was done stays done, also if that could not be recorded: no site is told twice."""
    catalog = operations.catalog
    job = operations.start_bulk("suspend", ALL, expected=3, reason="unpaid")
    claims = JobClaims(catalog.store, "dead", lease=timedelta(seconds=-1))
    assert claims.claim() is not None
    acme, bolt = (catalog.tenants.get(slug) for slug in ("acme", "bolt"))
    operations.suspend("acme", reason="unpaid")
    catalog.job_sites.record(job.id, acme.id, SiteState.DONE)
    operations.suspend("bolt", reason="unpaid")  # and died before it could record it
    claims.take_back()
    found = done(operations, job)
    assert (found.state, found.losses) == (JobState.DONE, 1)
    assert catalog.job_sites.count(job.id)[SiteState.DONE] == 2
    (unchanged,) = catalog.job_sites.list(job.id, SiteState.UNCHANGED, limit=9)
    assert (unchanged.slug, unchanged.text) == (bolt.slug, "It is suspended.")
    assert count_events(operations, TenantState.SUSPENDED) == dict.fromkeys(SLUGS, 1)


class StoppedAfterOne(JobRun):
    """A run whose job is cancelled when its first site is done."""

    def progress(self, done: int, total: int | None = None) -> None:
        if done == 1:
            self.reason = "cancelled"
        super().progress(done, total)


def test_it_is_cancelled_between_two_sites(operations: Operations) -> None:
    """The sites that were not reached are as they were, and are done if the job is run again."""
    catalog = operations.catalog
    job = operations.start_bulk("archive", ALL, expected=3)
    run = StoppedAfterOne(job, None, report=lambda *_: True, seconds=60)
    with pytest.raises(JobStop):
        run_bulk(operations, run, **job.arguments)
    states = [catalog.tenants.get(slug).state for slug in SLUGS]
    assert states.count(TenantState.ARCHIVED) == 1
    assert catalog.job_sites.count(job.id)[SiteState.PENDING] == 2
    assert done(operations, job).result == {"sites": "all sites", "done": 3}


def test_what_takes_long_is_done_within_the_job(operations: Operations) -> None:
    """Backups and deletions need no job of their own here; a second backup finds nothing new."""
    first = done(operations, operations.start_bulk("backup", ALL, expected=3, keep=2))
    assert first.result["done"] == 3
    assert all(operations.list_backup_names(slug) for slug in SLUGS)
    second = done(operations, operations.start_bulk("backup", ALL, expected=3, keep=2))
    assert second.result == {"sites": "all sites", "unchanged": 3}
    some = TenantFilter(search="acme")
    deleted = done(operations, operations.start_bulk("delete", some, expected=1, reason="left"))
    assert deleted.result == {"sites": "“acme”", "done": 1}
    row = operations.catalog.tenants.get_row("acme")
    assert (row.tenant.state, row.purge_at is None) == (TenantState.DELETED, False)
    assert {job.name for job in operations.catalog.jobs.list().items} == {"operations.bulk"}


def test_a_maintenance_has_its_end(operations: Operations) -> None:
    """A moment among the arguments comes through the catalog as it was meant."""
    until = datetime(2099, 1, 2, 3, 4, tzinfo=UTC)
    job = operations.start_bulk("maintenance", ALL, expected=3, message="Soon.", until=until)
    assert done(operations, job).state is JobState.DONE
    tenant = operations.catalog.tenants.get("acme")
    assert (tenant.reopens_at, tenant.notice) == (until, "Soon.")


def test_a_migration_is_one_run(operations: Operations) -> None:
    """It has its own record of each tenant; without revisions the job says so."""
    job = operations.start_bulk("migrate", TenantFilter(search="acme"), expected=1)
    assert (job.name, job.arguments["only"]) == ("operations.migrate", ["acme"])
    with pytest.raises(BadArgumentError, match="3 match by now"):
        operations.start_bulk("migrate", ALL, expected=2)


@pytest.mark.parametrize(
    ("name", "expected", "arguments", "problem"),
    [
        ("purge", 3, {}, "to many sites, one can do: suspend, resume"),
        ("suspend", 0, {}, "one job does 1 to 100,000"),
        ("suspend", 100_001, {}, "one job does 1 to 100,000"),
        ("suspend", 2, {}, "3 match by now"),
        ("maintenance", 3, {"until": datetime(2001, 1, 1, tzinfo=UTC)}, "it is in the past"),
        ("backup", 3, {"keep": 0}, "at least 1 backup is kept"),
        ("plan", 3, {"new": "golden"}, "golden"),
    ],
)
def test_what_cannot_be_done_adds_no_job(
    operations: Operations, name: str, expected: int, arguments: dict[str, object], problem: str
) -> None:
    """It is refused before anything is recorded."""
    with pytest.raises((BadArgumentError, UnknownPlanError), match=problem):
        operations.start_bulk(name, ALL, expected=expected, **arguments)
    assert operations.catalog.jobs.list().total == 0
