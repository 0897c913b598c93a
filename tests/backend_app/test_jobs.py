"""The jobs' pages: found, watched with one read, cancelled, run again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from tenantry.catalog import SYSTEM, Actor, JobState
from tenantry.catalog.job_claims import JobClaims, JobReport
from tenantry.catalog.models import now
from tenantry.catalog.values import JobLine, NewJob
from tenantry.lifecycle import Operations
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tenantry.catalog import Job
    from tests.backend_app.conftest import Browser, World

HX = {"HX-Request": "true"}


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser. A sign-in would mail, which is a job."""
    return world.browser().adopt(world.sign_cookie("operator@example.com"))


def start(world: World, name: str = "move", **arguments: str) -> Job:
    """Ask for an operation as an operator does."""
    actor = Actor("operator", "operator@example.com")
    operations = Operations(world.catalog, settings=world.settings, actor=actor)
    arguments = arguments or {"slug": "acme", "to": "elsewhere"}
    return operations.start(name, **arguments)


def claims(world: World, worker: str = "node:1") -> JobClaims:
    """Return what a worker has to claim jobs with."""
    return JobClaims(world.catalog.jobs._store, worker, lease=timedelta(minutes=1))


def claimed(world: World) -> Job:
    """Let a worker take the next job."""
    job = claims(world).claim()
    assert job is not None
    return job


def version_on(page: str) -> str:
    """Return what the page asks with."""
    found = re.search(r'data-hx-get="[^"]*version=([^"]+)"', page)
    assert found is not None
    return found[1]


def numbers(page: str) -> list[int]:
    return [int(one) for one in re.findall(r'data-label="Job"><a href="/backend/jobs/(\d+)"', page)]


def test_jobs_are_found_by_state_name_and_site(world: World, operator: Browser) -> None:
    """And the filters hold together."""
    assert "No job yet" in operator.get("/jobs").text
    one, two = start(world), start(world, "backup", slug="bolt")
    world.catalog.jobs.cancel(two.id, by=SYSTEM)
    assert numbers(operator.get("/jobs").text) == [two.id, one.id]
    for query, found in (
        ("state=queued", [one.id]),
        ("state=cancelled", [two.id]),
        ("name=operations.backup", [two.id]),
        ("search=acme", [one.id]),
        (f"search={world.catalog.tenants.get('bolt').id}", [two.id]),
        ("search=acme&state=cancelled", []),
        ("search=nobody", []),
        ("state=explode", [two.id, one.id]),
    ):
        assert numbers(operator.get(f"/jobs?{query}").text) == found, query
    assert "No jobs match" in operator.get("/jobs?search=nobody").text


def test_the_list_has_pages(world: World, operator: Browser) -> None:
    """The filter goes along."""
    acme = world.catalog.tenants.get("acme").id
    new = NewJob(name="shop.tidy", arguments={}, tenant_id=acme)
    world.catalog.jobs.add(*[new] * 30, by=SYSTEM)
    start(world)
    page = operator.get("/jobs?name=shop.tidy")
    assert len(numbers(page.text)) == 25
    assert "name=shop.tidy" in re.findall(r'rel="next" href="([^"]+)"', page.text)[0]
    assert len(numbers(operator.get("/jobs?name=shop.tidy&page=2").text)) == 5


def test_a_job_is_watched_until_it_has_ended(world: World, operator: Browser) -> None:
    """Its page asks for what is new, and stops when there will be nothing more."""
    job = start(world)
    page = operator.get(f"/jobs/{job.id}").text
    assert "Queued" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    version = version_on(page)
    path = f"/jobs/{job.id}/progress?version="
    assert operator.get(path + version, headers=HX).status_code == 204

    taken, worker = claimed(world), claims(world)
    line = JobLine(now(), 1, "copied")
    worker.report(taken, JobReport(done=3, total=12, lines=(line,)))
    answer = operator.get(path + version, headers=HX)
    assert answer.status_code == 200
    assert "3 of 12, 25 %" in answer.text
    assert "copied" in answer.text
    assert "<html" not in answer.text
    version = version_on(answer.text)
    assert operator.get(path + version, headers=HX).status_code == 204

    worker.report(taken, JobReport(done=3, total=12, lines=(JobLine(now(), 1, "followed"),)))
    answer = operator.get(path + version, headers=HX)  # a line alone is news, too
    assert "followed" in answer.text

    worker.report(taken, JobReport(state=JobState.DONE, done=12, total=12, result={"rows": 5}))
    answer = operator.get(path + version_on(answer.text), headers=HX)
    assert "data-hx-get" not in answer.text
    assert '<dt>Rows</dt><dd class="break-all">5</dd>' in answer.text
    page = operator.get(f"/jobs/{job.id}").text
    assert "noscript" not in page
    assert find_flaws(page) == []


def test_a_spectator_costs_one_read(world: World, operator: Browser) -> None:
    """Beside the session that every request looks up, and by the primary key."""
    job = start(world)
    version = version_on(operator.get(f"/jobs/{job.id}").text)
    statements: list[str] = []
    engine = world.catalog.jobs._store.engine

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    answer = operator.get(f"/jobs/{job.id}/progress?version={version}", headers=HX)
    event.remove(engine, "before_cursor_execute", note)
    assert answer.status_code == 204
    (read,) = [statement for statement in statements if "FROM jobs" in statement]
    others = [statement for statement in statements if statement != read]
    assert all("session" in statement or "BEGIN" in statement for statement in others), others
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {read}", (job.id, job.id)).all()
    assert not [row for row in plan if str(row[3]).startswith("SCAN")], plan


def test_a_workers_death_is_told(world: World, operator: Browser) -> None:
    """The job is queued again, its page says so, and the next worker ends it."""
    job = start(world)
    version = version_on(operator.get(f"/jobs/{job.id}").text)
    claimed(world)
    claims(world, "node:2").take_back(dead=["node:1"])
    answer = operator.get(f"/jobs/{job.id}/progress?version={version}", headers=HX)
    assert "its worker ended while it ran" in answer.text
    again = claimed(world)
    claims(world).report(again, JobReport(state=JobState.DONE))
    page = operator.get(f"/jobs/{job.id}").text
    assert "attempt 2; its worker ended 1 time" in page
    assert "Done" in page


def test_a_job_is_cancelled_where_that_is_safe(world: World, operator: Browser) -> None:
    """One that waits at once; one that runs is asked, if it can be; any other one says why not."""
    waiting = start(world)
    assert "Cancel the job" in operator.get(f"/jobs/{waiting.id}").text
    operator.post(f"/jobs/{waiting.id}/cancel")
    assert f"Job {waiting.id} is cancelled." in operator.get(f"/jobs/{waiting.id}").text
    event_ = world.catalog.audit.list().items[0]
    assert (event_.action, event_.actor) == ("job.cancel", "operator@example.com")

    running = start(world)
    claimed(world)
    operator.post(f"/jobs/{running.id}/cancel")
    page = operator.get(f"/jobs/{running.id}").text
    assert "is asked to stop" in page
    assert "Stopping" in page
    assert "Cancel the job" not in page

    other = start(world, "backup", slug="bolt")
    claimed(world)
    assert "Cancel the job" not in operator.get(f"/jobs/{other.id}").text
    operator.post(f"/jobs/{other.id}/cancel")
    assert "cannot be cancelled in the middle" in operator.get(f"/jobs/{other.id}").text


def test_a_failed_job_is_run_again(world: World, operator: Browser) -> None:
    """With its error on the page; one that is done is not."""
    job = start(world)
    report = JobReport(state=JobState.FAILED, error="it has no database")
    claims(world).report(claimed(world), report)
    page = operator.get(f"/jobs/{job.id}").text
    assert "it has no database" in page
    assert find_flaws(page) == []
    assert "it has no database" in operator.get("/jobs?state=failed").text
    operator.post(f"/jobs/{job.id}/retry")
    assert world.catalog.jobs.get(job.id).state is JobState.QUEUED
    operator.post(f"/jobs/{job.id}/retry")
    assert "only a failed one is run again" in operator.get(f"/jobs/{job.id}").text


@pytest.mark.parametrize("path", ["", "/progress", "/file"])
def test_a_job_that_is_not_there_is_not_found(operator: Browser, path: str) -> None:
    """Its time is over, or it never was."""
    assert operator.get(f"/jobs/999{path}").status_code == 404
    assert operator.post("/jobs/999/cancel").status_code == 404
    assert operator.post("/jobs/999/retry").status_code == 404


def test_nobody_works_here(world: World, operator: Browser) -> None:
    """A job that waits because no worker runs says so."""
    job = start(world)
    assert "No job worker runs on this machine" in operator.get(f"/jobs/{job.id}").text
    reader = world.catalog.jobs.pipe.open_reader()
    assert reader
    assert "No job worker runs" not in operator.get("/jobs").text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs/{}"),
        ("GET", "/jobs/{}/progress"),
        ("GET", "/jobs/{}/file"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/retry"),
        ("POST", "/announcements/{}/withdraw"),
    ],
)
def test_a_number_that_no_row_can_have(operator: Browser, method: str, path: str) -> None:
    """It is not found, as any other number of nothing; the catalog could not even be asked."""
    ask = operator.get if method == "GET" else operator.post
    assert ask(path.format(2**63)).status_code == 404
