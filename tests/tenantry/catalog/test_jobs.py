"""The queue of jobs in the catalog, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, JobState, NewJob, job_adding
from tenantry.catalog import jobs as jobs_module
from tenantry.catalog.job_claims import MAX_LOSSES, JobClaims, JobReport
from tenantry.catalog.models import now
from tenantry.catalog.values import JobLine
from tenantry.errors import JobNotFoundError, JobQueueFullError, JobStateError
from tenantry.values.tenant import TenantState
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog, Job
    from tenantry.values.tenant import Tenant

LEASE = timedelta(seconds=30)
OVER = timedelta(seconds=-1)
"""A lease that is over when it begins, as that of a worker that died."""


def new(name: str = "mail.send", tenant: Tenant | None = None, **more: Any) -> NewJob:
    """Return a job to be added."""
    values: dict[str, Any] = {"arguments": {}, "max_attempts": 3} | more
    owner = None if tenant is None else tenant.id
    return NewJob(name=name, tenant_id=owner, needs_site=tenant is not None, **values)


def add_site(catalog: Catalog, slug: str, **options: Any) -> Tenant:
    """Add an active tenant."""
    made = catalog.tenants.add(slug, name=slug, by=SYSTEM, **options)
    return catalog.tenants.transition(made.id, TenantState.ACTIVE, by=SYSTEM)


def claims_of(catalog: Catalog, worker: str = "one", *, lease: timedelta = LEASE) -> JobClaims:
    """Return a worker's claims."""
    return JobClaims(catalog.store, worker, lease=lease)


def claim_all(catalog: Catalog, **options: Any) -> list[Job]:
    """Claim until there is nothing more."""
    claims, found = claims_of(catalog), []
    while (job := claims.claim(**options)) is not None:
        found.append(job)
    return found


def test_a_job_is_recorded_with_who_asked(any_catalog: Catalog) -> None:
    """Its name, arguments and actor come back, and it waits."""
    (added,) = any_catalog.jobs.add(new(arguments={"to": "ä@b.test"}), by=SYSTEM)
    found = any_catalog.jobs.get(added.id)

    assert found == added
    assert (found.state, found.arguments, found.by) == (
        JobState.QUEUED,
        {"to": "ä@b.test"},
        SYSTEM,
    )
    with pytest.raises(JobNotFoundError, match="99"):
        any_catalog.jobs.get(99)


def test_a_spectator_learns_of_progress_in_one_read(any_catalog: Catalog) -> None:
    """The job, and the id of its last line: another job's lines do not count."""
    jobs = any_catalog.jobs
    one, other = jobs.add(new(), new(), by=SYSTEM)
    assert jobs.get_progress(one.id) == (one, 0)
    claims = claims_of(any_catalog)
    taken = [claims.claim(), claims.claim()]
    seen = []
    for job in taken:
        assert job is not None
        claims.report(job, JobReport(done=1, total=4, lines=(JobLine(now(), 1, "copied"),)))
        found, line = jobs.get_progress(job.id)
        assert (found.done, found.total) == (1, 4)
        seen.append(line)
    assert 0 < seen[0] < seen[1]
    assert jobs.get_progress(one.id)[1] in seen
    with pytest.raises(JobNotFoundError):
        jobs.get_progress(other.id + 1)


def test_a_key_adds_one_job_however_many_ask(any_catalog: Catalog) -> None:
    """Requests that are sent twice, at once or later, lead to one job."""
    acme = add_site(any_catalog, "acme")

    def ask(_number: int) -> int:
        return any_catalog.jobs.add(new(key="welcome"), by=SYSTEM)[0].id

    with ThreadPoolExecutor(4) as threads:
        ids = set(threads.map(ask, range(8)))
    other = any_catalog.jobs.add(new(tenant=acme, key="welcome"), by=SYSTEM)[0]

    assert len(ids) == 1
    assert other.id not in ids, "a key is its tenant's own"
    assert any_catalog.jobs.list().total == 2


def test_each_job_is_claimed_once(any_catalog: Catalog) -> None:
    """Workers that look at the same moment never get the same job, and get all of them."""
    any_catalog.jobs.add(*(new() for _ in range(40)), by=SYSTEM)

    def work(name: str) -> list[int]:
        claims, found = claims_of(any_catalog, name), []
        while (job := claims.claim()) is not None:
            found.append(job.id)
        return found

    with ThreadPoolExecutor(4) as threads:
        found = [job_id for ids in threads.map(work, "abcd") for job_id in ids]
        found += work("e")  # what others had locked when the last of them looked
    assert sorted(found) == sorted({*found})
    assert len(found) == 40


def test_the_next_job_is_the_other_tenants(any_catalog: Catalog) -> None:
    """A tenant's hundredth job starts after the first one of each other tenant."""
    acme, globex = (add_site(any_catalog, slug) for slug in ("acme", "glo"))
    any_catalog.jobs.add(*(new(tenant=acme) for _ in range(100)), by=SYSTEM)
    claims = claims_of(any_catalog)
    assert [claims.claim() is not None for _ in range(10)] == [True] * 10
    any_catalog.jobs.add(new(tenant=globex), new(tenant=globex), new(), by=SYSTEM)

    started = [job.tenant_id for _ in range(6) if (job := claims.claim()) is not None]
    assert started == [acme.id, globex.id, None, acme.id, globex.id, acme.id]


def test_a_tenant_that_has_its_share_waits(any_catalog: Catalog) -> None:
    """Jobs of busy tenants are left to other workers; None is the platform itself."""
    acme = add_site(any_catalog, "acme")
    any_catalog.jobs.add(new(tenant=acme), new(), by=SYSTEM)

    assert claims_of(any_catalog).claim(busy=[acme.id, None]) is None
    (found,) = claim_all(any_catalog, busy=[None])
    assert found.tenant_id == acme.id
    (found,) = claim_all(any_catalog, busy=[acme.id])
    assert found.tenant_id is None


def test_closed_and_quiet_tenants_run_nothing(any_catalog: Catalog) -> None:
    """Their jobs wait; what the platform does for them does not."""
    acme = add_site(any_catalog, "acme")
    clone = add_site(any_catalog, "clone", quiet=True)
    any_catalog.jobs.add(new(tenant=acme), new(tenant=clone), by=SYSTEM)
    backup = NewJob(name="operations.backup", arguments={}, tenant_id=acme.id)
    any_catalog.jobs.add(backup, by=SYSTEM)
    any_catalog.tenants.transition(acme.id, TenantState.SUSPENDED, by=SYSTEM)

    assert [job.name for job in claim_all(any_catalog)] == ["operations.backup"]
    assert any_catalog.jobs.find_waiting_since() is None, "nothing waits that could run"
    any_catalog.tenants.transition(acme.id, TenantState.ACTIVE, by=SYSTEM)
    any_catalog.tenants.release(clone.id, by=SYSTEM)
    assert {job.tenant_id for job in claim_all(any_catalog)} == {acme.id, clone.id}


@pytest.mark.postgresql
def test_a_machine_s_clock_does_not_matter(
    clean_postgres_url: str,
    open_catalog_at: Callable[..., Catalog],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nodes whose clocks differ by minutes agree on leases and due times: the server's clock counts."""
    here, there = (open_catalog_at(clean_postgres_url, node=name) for name in ("one", "two"))
    here.jobs.add(new(), new(), by=SYSTEM)
    assert claims_of(here).claim() is not None
    monkeypatch.setattr("tenantry.catalog.clock.now", lambda: now() + timedelta(minutes=5))
    assert abs(there.jobs.clock() - now()) < timedelta(minutes=2)
    ahead = claims_of(there, "two")
    assert ahead.take_back() == 0, "the lease of the first one is not over"
    there.jobs.add(new(), by=SYSTEM)
    monkeypatch.setattr("tenantry.catalog.clock.now", lambda: now() - timedelta(minutes=5))
    claimed: list[Job] = []
    eventually(lambda: claimed.extend(claim_all(here)) or len(claimed) == 2)  # type: ignore[func-returns-value]


def test_a_job_waits_for_its_time(any_catalog: Catalog) -> None:
    """It is not claimed before, and workers know when to look."""
    later = now() + timedelta(hours=1)
    any_catalog.jobs.add(new(due_at=later), by=SYSTEM)
    claims = claims_of(any_catalog)

    assert claims.claim() is None
    pause = claims.find_pause()
    assert pause is not None
    assert abs(pause - (later - now()).total_seconds()) < 30


def test_a_dead_workers_job_is_taken_up(any_catalog: Catalog) -> None:
    """After its lease, another worker gets it, and the first one's word does not count any more."""
    any_catalog.jobs.add(new(), by=SYSTEM)
    dead, other = claims_of(any_catalog, "dead", lease=OVER), claims_of(any_catalog, "other")
    first = dead.claim()
    assert first is not None
    assert other.claim() is None
    assert other.take_back() == 1
    second = other.claim()

    assert second is not None
    assert (second.id, second.attempts, second.losses) == (first.id, 2, 1)
    assert not dead.report(first, JobReport(state=JobState.FAILED, error="too late"))
    assert dead.keep([first.id]) == {}
    assert other.report(second, JobReport(state=JobState.DONE, result={"sent": 1}))
    assert any_catalog.jobs.get(first.id).result == {"sent": 1}


def test_a_job_that_kills_its_workers_ends(any_catalog: Catalog) -> None:
    """A job that ends the process each time does not do so for ever."""
    (job,) = any_catalog.jobs.add(new(), by=SYSTEM)
    for _ in range(MAX_LOSSES):
        claims = claims_of(any_catalog, lease=OVER)
        assert claims.claim() is not None
        claims.take_back()

    found = any_catalog.jobs.get(job.id)
    assert (found.state, found.losses) == (JobState.FAILED, MAX_LOSSES)
    assert "its worker ended" in found.error


def test_what_is_given_back_is_the_next_to_start(any_catalog: Catalog) -> None:
    """It has lost neither its place nor an attempt."""
    any_catalog.jobs.add(new(), new(), by=SYSTEM)
    claims = claims_of(any_catalog)
    first = claims.claim()
    assert first is not None
    claims.report(first, JobReport(state=JobState.QUEUED, is_attempt=False, done=3, total=9))
    again = claims.claim()

    assert again is not None
    assert (again.id, again.attempts, again.done, again.total) == (first.id, 1, 3, 9)


def test_a_job_that_is_too_late_does_not_start(any_catalog: Catalog) -> None:
    """Its deadline is over: it fails, and says why."""
    (job,) = any_catalog.jobs.add(new(deadline_at=now() - timedelta(seconds=1)), by=SYSTEM)
    claims = claims_of(any_catalog)

    assert claims.claim() is None
    claims.take_back()
    found = any_catalog.jobs.get(job.id)
    assert (found.state, found.error) == (JobState.FAILED, "it did not start before its deadline")


def test_cancelling(any_catalog: Catalog) -> None:
    """What waits is cancelled; what runs is asked, if its author allows it; the audit trail tells."""
    waiting, running, firm = any_catalog.jobs.add(
        new("a"), new("b", cancellable=True), new("c"), by=SYSTEM
    )
    assert any_catalog.jobs.cancel(waiting.id, by=SYSTEM).state is JobState.CANCELLED
    claims = claims_of(any_catalog)
    claimed = [job for _ in range(2) if (job := claims.claim()) is not None]
    assert any_catalog.jobs.cancel(running.id, by=SYSTEM).cancel_requested
    kept = claims.keep([job.id for job in claimed])
    assert kept == {(running.id, 1): True, (firm.id, 1): False}

    with pytest.raises(JobStateError, match="cannot be cancelled in the middle"):
        any_catalog.jobs.cancel(firm.id, by=SYSTEM)
    with pytest.raises(JobStateError, match="is cancelled already"):
        any_catalog.jobs.cancel(waiting.id, by=SYSTEM)
    assert [event.action for event in any_catalog.audit.list().items] == ["job.cancel"] * 2


def test_a_failed_job_runs_again(any_catalog: Catalog) -> None:
    """It has all of its attempts, and no deadline any more."""
    (job,) = any_catalog.jobs.add(new(deadline_at=now() - timedelta(seconds=1)), by=SYSTEM)
    with pytest.raises(JobStateError, match="is queued"):
        any_catalog.jobs.retry(job.id, by=SYSTEM)
    claims_of(any_catalog).take_back()
    any_catalog.jobs.retry(job.id, by=SYSTEM)

    claimed = claims_of(any_catalog).claim()
    assert claimed is not None
    assert (claimed.id, claimed.attempts, claimed.error) == (job.id, 1, "")


def test_a_schedule_fires_once(any_url: str, open_catalog_at: Callable[..., Catalog]) -> None:
    """Three workers on three nodes look at the same moment, again and again."""
    nodes = [open_catalog_at(any_url, node=name) for name in ("a", "b", "c")]
    first = now()
    made = []
    with ThreadPoolExecutor(9) as threads:
        for step in range(4):
            due_at = first + timedelta(days=step)
            tasks = [
                threads.submit(node.jobs.fire, "nightly", due_at, new, by=SYSTEM)
                for node in nodes * 3
            ]
            made.append([job for task in tasks if (job := task.result()) is not None])
            claimed = claim_all(nodes[0])
            for job in claimed if step != 2 else ():  # the third one is still running at the fourth
                claims_of(nodes[0]).report(job, JobReport(state=JobState.DONE))
    assert [len(jobs) for jobs in made] == [0, 1, 1, 0]


def test_finished_jobs_leave_with_their_lines(any_catalog: Catalog) -> None:
    """What is not over stays, however old it is."""
    any_catalog.jobs.add(new(), new(), by=SYSTEM)
    claims = claims_of(any_catalog)
    job = claims.claim()
    assert job is not None
    from tenantry.catalog import JobLine

    claims.report(job, JobReport(state=JobState.DONE, lines=(JobLine(now(), 1, "sent"),)))
    assert [line.text for line in any_catalog.jobs.list_lines(job.id)] == ["sent"]

    assert any_catalog.jobs.remove_finished(now() - timedelta(days=1)) == 0
    assert any_catalog.jobs.remove_finished(now() + timedelta(days=1)) == 1
    assert any_catalog.jobs.list_lines(job.id) == ()
    assert any_catalog.jobs.count_by_state()[JobState.QUEUED] == 1


def test_a_tenants_queue_is_bounded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site cannot fill the catalog; its neighbours notice nothing."""
    acme, globex = (add_site(catalog, slug) for slug in ("acme", "globex"))
    monkeypatch.setattr(job_adding, "MAX_QUEUED", 3)
    catalog.jobs.add(*(new(tenant=acme) for _ in range(3)), by=SYSTEM)

    with pytest.raises(JobQueueFullError):
        catalog.jobs.add(new(tenant=acme), by=SYSTEM)
    assert catalog.jobs.add(new(tenant=globex), by=SYSTEM)
    with pytest.raises(JobQueueFullError):
        catalog.jobs.add(*(new(tenant=globex) for _ in range(3)), by=SYSTEM)
    assert len(catalog.jobs.add(*(new(tenant=globex) for _ in range(2)), by=SYSTEM)) == 2


def test_many_are_added_in_bounded_transactions(
    any_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, each tenant's in a line of its own; a key adds one job in a call, too."""
    acme, globex = (add_site(any_catalog, slug) for slug in ("acme", "globex"))
    monkeypatch.setattr(jobs_module, "BATCH", 4)
    wakes: list[int] = []
    monkeypatch.setattr(any_catalog.jobs.pipe, "wake", lambda: wakes.append(1))
    later = now() + timedelta(hours=1)
    wanted = [
        *(new(tenant=acme, arguments={"number": number}) for number in range(6)),
        *(new(tenant=acme, key=key) for key in ("one", "two", "one")),
        new(tenant=globex, due_at=later),
        new(tenant=globex, key="one"),
    ]
    added = any_catalog.jobs.add(*wanted, by=SYSTEM)

    assert len(wakes) == 3, "11 jobs are three transactions"
    assert [job.arguments.get("number") for job in added[:6]] == [*range(6)]
    assert added[6].id == added[8].id != added[7].id
    assert [job.tenant_id for job in added] == [one.tenant_id for one in wanted]
    claims = claims_of(any_catalog)
    started = [job.id for _ in range(10) if (job := claims.claim()) is not None]
    first, *others = (added[index].id for index in (0, 10, 1, 2, 3, 4, 5, 6, 7))
    assert started == [first, *others]
    again = any_catalog.jobs.add(*wanted[6:9], by=SYSTEM)
    assert [job.id for job in again] == [job.id for job in added[6:9]]
