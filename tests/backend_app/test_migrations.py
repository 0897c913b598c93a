"""The page of migrations: what is behind, how the last runs went, and how they go on."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import tenants
from backend_app.context import EXTENSION
from tenantry.catalog import SYSTEM, JobState, RunState, Step, StepState
from tenantry.migrations import load_history
from tests.backend_app.job_work import run_jobs
from tests.markup import find_flaws

if TYPE_CHECKING:
    from tests.backend_app.conftest import Browser, World

HEAD = load_history(Path(tenants.MIGRATIONS)).head


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser, on a platform whose factory has migrations."""
    world.factory = replace(world.factory, find_migrations=lambda: Path(tenants.MIGRATIONS))
    state = world.app.extensions[EXTENSION]
    world.app.extensions[EXTENSION] = replace(state, factory=world.factory)
    return world.browser().adopt(world.sign_cookie("operator@example.com"))


def failed_run(world: World) -> int:
    """Let a run fail at Acme and not get to Bolt."""
    runs = world.catalog.runs
    run = runs.begin(HEAD, node="here", options={"canary": 1}, by=SYSTEM)
    (step,) = runs.claim_steps(run.id, 1, by=SYSTEM)
    failed = Step(step.tenant, StepState.FAILED, step.before, error="no such column: colour")
    runs.record_steps(run.id, [failed], by=SYSTEM)
    runs.end(run.id, RunState.STOPPED, by=SYSTEM)
    return run.id


def test_a_platform_without_migrations_says_so(world: World) -> None:
    """There is no button then."""
    browser = world.browser().adopt(world.sign_cookie("operator@example.com"))
    page = browser.get("/migrations").text
    assert "has no <code>MIGRATIONS</code>" in page
    assert "Migrate all sites" not in page


def test_all_sites_are_migrated_by_a_job(world: World, operator: Browser) -> None:
    """The job has the options of the form, and its page leads on."""
    page = operator.get("/migrations").text
    assert f"2 sites are behind the newest schema revision {HEAD}" in page
    assert find_flaws(page) == []
    form = {"canary": "1", "max_failures": "3", "jobs": "2"}
    for wrong in ({"canary": "-1"}, {"jobs": "0"}, {"jobs": "many"}, {"max_failures": ""}):
        assert operator.post("/migrations", form | wrong).status_code == 422
    answer = operator.post("/migrations", form)
    assert answer.status_code == 303
    (job,) = world.catalog.jobs.list().items
    assert answer.location == f"/backend/jobs/{job.id}"
    assert dict(job.arguments) == {"canary": 1, "max_failures": 3, "jobs": 2}


def test_a_failed_run_shows_its_failures_and_goes_on(world: World, operator: Browser) -> None:
    """What it did not get to is continued, and what failed is repeated; the job does that."""
    number = failed_run(world)
    page = operator.get("/migrations").text
    assert "no such column: colour" in page
    assert "Stopped" in page
    assert "1 pending, 1 failed" in page
    assert find_flaws(page) == []
    for button in ("resume", "retry_failed"):
        assert f'name="{button}"' in page
    answer = operator.post("/migrations/again", {"retry_failed": "x"})
    found = re.fullmatch(r"/backend/jobs/(\d+)", answer.location)
    assert found is not None
    job = world.catalog.jobs.get(int(found[1]))
    assert dict(job.arguments) == {"resume": False, "retry_failed": True}
    run_jobs(world)
    assert world.catalog.jobs.get(job.id).state is JobState.FAILED  # these sites have no database
    last = world.catalog.runs.find_last()
    assert last is not None
    assert last.id == number
    assert last.counts[StepState.PENDING] <= 1


def test_nothing_is_begun_when_all_are_there(world: World, operator: Browser) -> None:
    """The page says so, and its old form starts no job."""
    runs = world.catalog.runs
    run = runs.begin(HEAD, node="here", options={}, by=SYSTEM)
    steps = [
        Step(step.tenant, StepState.OK, step.before, after=HEAD)
        for step in runs.claim_steps(run.id, 10, by=SYSTEM)
    ]
    runs.record_steps(run.id, steps, by=SYSTEM)
    runs.end(run.id, RunState.DONE, by=SYSTEM)
    assert f"Every site is at schema revision {HEAD}" in operator.get("/migrations").text
    assert "Migrate all sites" not in operator.get("/migrations").text
    operator.post("/migrations", {"canary": "0", "max_failures": "0", "jobs": "1"})
    assert "There is nothing to migrate." in operator.get("/migrations").text
    assert world.catalog.jobs.list().total == 0
