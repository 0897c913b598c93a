"""Workers: they run jobs, wake up for them, share themselves among tenants, and stop."""

from __future__ import annotations

import statistics
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tenantry.catalog import SYSTEM, JobState, NewJob
from tenantry.catalog.models import now
from tenantry.jobs import JobDefinitions, JobQueue, JobWorker, job
from tenantry.jobs.run import JobRefused
from tenantry.values.tenant import TenantState
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.catalog import Catalog, Job
    from tenantry.jobs import JobDefinition, JobRun
    from tenantry.values.tenant import Tenant


@pytest.fixture
def work(any_catalog: Catalog) -> Iterator[Callable[..., JobQueue]]:
    """Return a function that starts a worker for some jobs and returns their queue."""
    workers: list[tuple[JobWorker, threading.Thread]] = []

    def start(*definitions: JobDefinition, count: int = 1, **options: Any) -> JobQueue:
        known = JobDefinitions(definitions)
        for _ in range(count):
            worker = JobWorker(any_catalog, lambda: known, **options)
            thread = threading.Thread(target=worker.run, daemon=True)
            thread.start()
            workers.append((worker, thread))
        return JobQueue(any_catalog.jobs, known)

    yield start
    for worker, _ in workers:
        worker.stop()
    for _, thread in workers:
        thread.join(30)
        assert not thread.is_alive()


def ended(queue: JobQueue, made: Job) -> Job:
    """Wait until a job is over, and return it."""
    eventually(lambda: queue.jobs.get(made.id).state.is_final)
    return queue.jobs.get(made.id)


def test_a_job_ends_with_its_result_and_its_log(work: Callable[..., JobQueue]) -> None:
    """What it returns, logs and counts is in the catalog."""

    @job("count", place="platform")
    def count(run: JobRun, upto: int) -> dict[str, int]:
        for number in range(upto):
            run.log(f"number {number}")
            run.progress(number + 1, upto)
        return {"sum": sum(range(upto))}

    queue = work(count)
    done = ended(queue, queue.enqueue("count", {"upto": 300}, by=SYSTEM))

    assert (done.state, done.result, done.done, done.total) == (
        JobState.DONE,
        {"sum": 44850},
        300,
        300,
    )
    lines = [line.text for line in queue.jobs.list_lines(done.id)]
    assert (len(lines), lines[0], lines[-1]) == (200, "number 0", "further lines are left out")


def test_a_failure_is_tried_again_with_growing_pauses(work: Callable[..., JobQueue]) -> None:
    """Attempt after attempt, until it works or the last one has failed."""
    times: list[float] = []

    @job("flaky", place="platform", attempts=3, backoff=0.1)
    def flaky(run: JobRun, works_at: int) -> None:
        times.append(time.monotonic())
        if run.attempt < works_at:
            raise ValueError(f"attempt {run.attempt}")

    queue = work(flaky)
    assert ended(queue, queue.enqueue("flaky", {"works_at": 3}, by=SYSTEM)).state is JobState.DONE
    assert times[1] - times[0] >= 0.08
    assert times[2] - times[1] >= 0.16
    failed = ended(queue, queue.enqueue("flaky", {"works_at": 9}, by=SYSTEM))
    assert (failed.state, failed.attempts, failed.error) == (
        JobState.FAILED,
        3,
        "ValueError: attempt 3",
    )


def test_what_cannot_succeed_is_not_tried_again(work: Callable[..., JobQueue]) -> None:
    """A refusal is final, and so is a job that takes too long at its last attempt."""

    @job("refused", place="platform", attempts=9)
    def refused(run: JobRun) -> None:
        raise JobRefused("there is no such post")

    @job("slow", place="platform", attempts=1, seconds=0.05)
    def slow(run: JobRun) -> None:
        while True:
            time.sleep(0.01)
            run.check()

    queue = work(refused, slow)
    found = ended(queue, queue.enqueue("refused", {}, by=SYSTEM))
    assert (found.state, found.attempts, found.error) == (
        JobState.FAILED,
        1,
        "there is no such post",
    )
    found = ended(queue, queue.enqueue("slow", {}, by=SYSTEM))
    assert (found.state, found.error) == (JobState.FAILED, "it took longer than it may")


def test_a_running_job_is_cancelled(work: Callable[..., JobQueue]) -> None:
    """It stops where it checks, and other jobs do not notice."""
    began = threading.Event()

    @job("endless", place="platform", cancellable=True)
    def endless(run: JobRun) -> None:
        began.set()
        while True:
            time.sleep(0.01)
            run.check()

    queue = work(endless)
    made = queue.enqueue("endless", {}, by=SYSTEM)
    assert began.wait(10)
    queue.jobs.cancel(made.id, by=SYSTEM)
    assert ended(queue, made).state is JobState.CANCELLED


def test_an_idle_worker_starts_at_once_and_asks_seldom(
    any_catalog: Catalog, work: Callable[..., JobQueue]
) -> None:
    """It sleeps until it is woken: a job starts in milliseconds, and nothing is polled for it."""
    started: list[float] = []

    @job("quick", place="platform")
    def quick(run: JobRun) -> None:
        started.append(time.monotonic())

    queue = work(quick)
    ended(queue, queue.enqueue("quick", {}, by=SYSTEM))
    waits = []
    for _ in range(9):
        time.sleep(0.05)  # at rest
        began = time.monotonic()
        ended(queue, queue.enqueue("quick", {}, by=SYSTEM))
        waits.append(started[-1] - began)
    assert statistics.median(waits) < 0.25

    time.sleep(0.1)
    asked: list[str] = []
    event.listen(
        any_catalog.store.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: asked.append(statement),
    )
    time.sleep(2)
    assert len(asked) <= 8, "at most one look at the queue and at dead workers"


def test_one_tenants_jobs_leave_a_thread_free(
    any_catalog: Catalog, work: Callable[..., JobQueue]
) -> None:
    """While a tenant's jobs fill their share, another tenant's job starts at once."""
    acme, globex = (add_site(any_catalog, slug) for slug in ("acme", "globex"))
    go_on, running = threading.Event(), []

    @job("long")
    def long(run: JobRun) -> None:
        assert run.tenant is not None
        running.append(run.tenant.slug)
        assert go_on.wait(30)

    queue = work(long, threads=3)
    made = [queue.enqueue("long", {}, tenant_id=acme.id, by=SYSTEM) for _ in range(5)]
    eventually(lambda: running == ["acme", "acme"])
    made.append(queue.enqueue("long", {}, tenant_id=globex.id, by=SYSTEM))
    eventually(lambda: running == ["acme", "acme", "globex"])
    go_on.set()
    assert {ended(queue, one).state for one in made} == {JobState.DONE}


def test_a_job_runs_in_its_tenants_context(
    any_catalog: Catalog, work: Callable[..., JobQueue]
) -> None:
    """R41: it is entered for the newest tenant, left at the end, and not for what needs no app."""
    acme = add_site(any_catalog, "acme")
    entered: list[str] = []

    @contextmanager
    def enter(tenant: Tenant) -> Iterator[None]:
        entered.append(f"{tenant.slug} {tenant.name}")
        yield
        entered.append("left")

    @job("inside")
    def inside(run: JobRun) -> None:
        entered.append("inside")

    @job("outside", place="site")
    def outside(run: JobRun) -> None:
        entered.append("outside")

    any_catalog.names.rename(acme.id, "emca", redirects_until=now(), by=SYSTEM)
    queue = work(inside, outside, entering=enter)
    ended(queue, queue.enqueue("inside", {}, tenant_id=acme.id, by=SYSTEM))
    ended(queue, queue.enqueue("outside", {}, tenant_id=acme.id, by=SYSTEM))
    assert entered == ["emca acme", "inside", "left", "outside"]


def test_a_stopping_worker_gives_its_jobs_back(
    any_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What checks is given back with what it has done, and another worker goes on with it."""
    monkeypatch.setattr("tenantry.jobs.worker.FINISH_SECONDS", 0.1)
    began = threading.Event()
    starts: list[int] = []

    @job("resumed", place="platform", attempts=1)
    def resumed(run: JobRun) -> None:
        starts.append(run.job.done)
        run.progress(7, 10)
        began.set()
        while len(starts) == 1:
            time.sleep(0.01)
            run.check()

    known = JobDefinitions([resumed])
    queue = JobQueue(any_catalog.jobs, known)
    made = queue.enqueue("resumed", {}, by=SYSTEM)
    first = JobWorker(any_catalog, lambda: known)
    thread = threading.Thread(target=first.run)
    thread.start()
    assert began.wait(10)
    first.stop()
    thread.join(10)
    assert queue.jobs.get(made.id).state is JobState.QUEUED
    JobWorker(any_catalog, lambda: known).run(until_empty=True)

    found = queue.jobs.get(made.id)
    assert (found.state, found.attempts, starts) == (JobState.DONE, 1, [0, 7])


def test_a_worker_that_ends_when_nothing_is_due_leaves_nothing(any_catalog: Catalog) -> None:
    """Jobs of one owner that has its share of the threads are not taken for none."""

    @job("nothing", place="platform")
    def nothing(run: JobRun) -> None:
        """Do nothing: it ends while the worker looks for the next one."""

    wanted = (NewJob(name="nothing", arguments={}, max_attempts=1) for _ in range(100))
    any_catalog.jobs.add(*wanted, by=SYSTEM)
    JobWorker(any_catalog, lambda: JobDefinitions([nothing])).run(until_empty=True)
    assert any_catalog.jobs.count_by_state()[JobState.DONE] == 100


def test_a_drained_node_begins_no_job(any_catalog: Catalog) -> None:
    """Its jobs are left to other nodes, or wait until it takes work again."""

    @job("nothing", place="platform")
    def nothing(run: JobRun) -> None:
        """Do nothing."""

    drained = [True]
    any_catalog.jobs.add(NewJob(name="nothing", arguments={}, max_attempts=1), by=SYSTEM)
    for state in (JobState.QUEUED, JobState.DONE):
        worker = JobWorker(
            any_catalog, lambda: JobDefinitions([nothing]), is_drained=lambda: drained[0]
        )
        worker.run(until_empty=True)
        assert any_catalog.jobs.count_by_state()[state] == 1
        drained[0] = False


def test_a_drained_node_rests_although_the_time_of_a_job_has_come(any_catalog: Catalog) -> None:
    """It asks the catalog now and then, not all the time."""
    asked: list[float] = []

    def is_drained() -> bool:
        asked.append(time.monotonic())
        return True

    due_at = now() + timedelta(milliseconds=50)
    any_catalog.jobs.add(NewJob(name="nothing", arguments={}, due_at=due_at), by=SYSTEM)
    worker = JobWorker(any_catalog, lambda: JobDefinitions([]), is_drained=is_drained)
    thread = threading.Thread(target=worker.run)
    thread.start()
    eventually(lambda: asked)
    time.sleep(0.3)
    worker.stop()
    thread.join(30)
    assert len(asked) <= 3


def test_an_unknown_job_waits_for_a_worker_that_knows_it(
    any_catalog: Catalog, work: Callable[..., JobQueue]
) -> None:
    """A deployment's first web worker may enqueue what the last old job worker cannot run."""

    @job("newer", place="platform", attempts=2)
    def newer(run: JobRun) -> None:
        """Do nothing."""

    work()  # the old one
    queue = JobQueue(any_catalog.jobs, JobDefinitions([newer]))
    made = queue.enqueue("newer", {}, by=SYSTEM)
    eventually(lambda: queue.jobs.get(made.id).error)

    found = queue.jobs.get(made.id)
    assert (found.state, found.attempts) == (JobState.QUEUED, 1)
    assert "There is no job 'newer'" in found.error
    assert found.due_at - found.created_at > timedelta(seconds=40)


def add_site(catalog: Catalog, slug: str) -> Tenant:
    """Add an active tenant."""
    made = catalog.tenants.add(slug, name=slug, by=SYSTEM)
    return catalog.tenants.transition(made.id, TenantState.ACTIVE, by=SYSTEM)
