"""Operators have the doctor run by a job, and read its last findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, url_for

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, current_actor
from tenantry.catalog import JobState
from tenantry.doctor import Finding, Severity
from tenantry.jobs import JobDefinitions, JobQueue
from tenantry.lifecycle.jobs import operation_jobs

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Job

bp = Blueprint("doctor", __name__)

NAME = "platform.doctor"
ORDER = {severity: number for number, severity in enumerate(Severity)}


@bp.get("/doctor")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show what the doctor found when it last ran."""
    done = catalog().jobs.list(name=NAME, state=JobState.DONE, size=1).items
    last = done[0] if done else None
    findings = [] if last is None else [Finding.from_json(one) for one in last.result["findings"]]
    findings.sort(key=lambda finding: ORDER[finding.severity])
    return render_template(
        "backend/doctor.html",
        last=last,
        findings=[one for one in findings if one.severity is not Severity.OK],
        passed=[one for one in findings if one.severity is Severity.OK],
        running=_find_running(),
    )


@bp.post("/doctor")
@open_to(OPERATORS)
def run() -> ResponseReturnValue:
    """Have a job run the doctor, unless one does already."""
    job = _find_running()
    if job is None:
        definitions = JobDefinitions(operation_jobs(catalog(), backend().settings))
        job = JobQueue(catalog().jobs, definitions).enqueue(NAME, {}, by=current_actor())
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def _find_running() -> Job | None:
    newest = catalog().jobs.list(name=NAME, size=1).items
    return newest[0] if newest and not newest[0].state.is_final else None
