"""Operators have the doctor run by a job, and read its last findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, redirect, render_template, url_for

from backend_app.access import OPERATORS, open_to
from backend_app.context import catalog
from backend_app.jobs import enqueue, find_running
from tenantry.catalog import JobState
from tenantry.doctor import Finding, Severity

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Job

bp = Blueprint("doctor", __name__)

NAME = "platform.doctor"


@bp.get("/doctor")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show what the doctor found when it last ran."""
    last, findings, passed = read_findings()
    return render_template(
        "backend/doctor.html",
        last=last,
        findings=findings,
        passed=passed,
        running=find_running(NAME),
    )


def read_findings() -> tuple[Job | None, list[Finding], list[Finding]]:
    """Return the doctor's last run that ended, what it found, and the checks that passed."""
    done = catalog().jobs.list(name=NAME, state=JobState.DONE, size=1).items
    if not done:
        return None, [], []
    findings = [Finding.from_json(one) for one in done[0].result["findings"]]
    passed = [one for one in findings if one.severity is Severity.OK]
    return done[0], [one for one in findings if one.severity is not Severity.OK], passed


@bp.post("/doctor")
@open_to(OPERATORS)
def run() -> ResponseReturnValue:
    """Have a job run the doctor, unless one does already."""
    job = find_running(NAME) or enqueue(NAME)
    return redirect(url_for("jobs.show", job_id=job.id), 303)
