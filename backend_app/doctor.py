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

bp = Blueprint("doctor", __name__)

NAME = "platform.doctor"


@bp.get("/doctor")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show what the doctor found when it last ran."""
    done = catalog().jobs.list(name=NAME, state=JobState.DONE, size=1).items
    last = done[0] if done else None
    findings = [] if last is None else [Finding.from_json(one) for one in last.result["findings"]]
    return render_template(
        "backend/doctor.html",
        last=last,
        findings=[one for one in findings if one.severity is not Severity.OK],
        passed=[one for one in findings if one.severity is Severity.OK],
        running=find_running(NAME),
    )


@bp.post("/doctor")
@open_to(OPERATORS)
def run() -> ResponseReturnValue:
    """Have a job run the doctor, unless one does already."""
    job = find_running(NAME) or enqueue(NAME)
    return redirect(url_for("jobs.show", job_id=job.id), 303)
