"""What a job worker does beside the console."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tenantry.jobs import JobDefinitions, JobWorker
from tenantry.lifecycle.jobs import operation_jobs

if TYPE_CHECKING:
    from tenantry.catalog import Job
    from tests.backend_app.conftest import World


def run_jobs(world: World) -> None:
    """Let a worker do what waits."""
    jobs = operation_jobs(world.catalog, world.settings, world.factory)
    JobWorker(world.catalog, lambda: JobDefinitions(jobs)).run(until_empty=True)


def work(world: World, answer: Any, *, pages: str = "/backend/jobs") -> Job:
    """Let a worker do the job to whose page an answer leads, and return it."""
    assert answer.status_code == 303, answer.text
    found = re.fullmatch(rf"{pages}/(\d+)", answer.location)
    assert found is not None, answer.location
    run_jobs(world)
    return world.catalog.jobs.get(int(found[1]))
