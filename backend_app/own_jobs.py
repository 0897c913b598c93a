"""A page for each job that an owner has asked for, which keeps itself up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, render_template, request

from backend_app.access import OWNERS, open_to
from backend_app.context import catalog
from backend_app.jobs import LINES, find_export, get_job, send_export, title_of
from backend_app.own_operations import OWN, get_site

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Job

bp = Blueprint("own_jobs", __name__)

NAMES = {f"operations.{own.declared.job}" for own in OWN.values() if own.declared.job}


@bp.get("/own/jobs/<int:job_id>")
@open_to(OWNERS)
def show(job_id: int) -> ResponseReturnValue:
    """Show how far one of the site's jobs is."""
    return render_template("backend/own_job.html", **_facts(job_id))


@bp.get("/own/jobs/<int:job_id>/progress")
@open_to(OWNERS)
def progress(job_id: int) -> ResponseReturnValue:
    """Return the part of the page that changes, or nothing if it is as the page has it."""
    _, version = _get(job_id)
    if version == request.args.get("version"):
        return "", 204
    return render_template("backend/own_job_progress.html", **_facts(job_id))


@bp.get("/own/jobs/<int:job_id>/file")
@open_to(OWNERS)
def download(job_id: int) -> ResponseReturnValue:
    """Send the file that the site's export has written."""
    job, _ = _get(job_id)
    return send_export(job)


def _get(job_id: int) -> tuple[Job, str]:
    """Return a job of this site that owners can ask for; any other is not found (R40)."""
    job, version = get_job(job_id)
    if job.tenant_id != get_site().id or job.name not in NAMES:
        abort(404)
    return job, version


def _facts(job_id: int) -> dict[str, Any]:
    job, version = _get(job_id)
    export = find_export(job)
    steps = [
        line.text
        for line in catalog().jobs.list_lines(job_id, limit=LINES)
        if line.attempt == job.attempts
    ]
    return {
        "job": job,
        "version": version,
        "title": title_of(job),
        "steps": steps,
        "export_size": export.stat().st_size if export is not None else None,
    }
