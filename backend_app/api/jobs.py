"""Jobs: list, show, cancel, run again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request
from marshmallow import fields, validate

from backend_app.api.access import current_actor, current_token, needs
from backend_app.api.blueprint import Blueprint
from backend_app.api.paging import PageSchema, list_of, read_number, show_piece
from backend_app.api.reach import find_tenant_id, get_job
from backend_app.api.schemas import JobDetailSchema, JobSchema, tenant_filter, told
from backend_app.context import catalog
from tenantry.catalog import JobState

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Job

bp = Blueprint("jobs", __name__, description="Long operations, and what became of them.")

FACTS = (
    *("id", "name", "tenant_id", "cancellable", "cancel_requested", "attempts", "done", "total"),
    *("error", "created_at", "started_at", "finished_at"),
)


class JobFilterSchema(PageSchema):
    """Which jobs to list."""

    state = fields.String(validate=validate.OneOf([state.value for state in JobState]))
    name = fields.String(validate=validate.Length(max=80), metadata=told("As operations.backup."))
    tenant = tenant_filter()


@bp.route("/jobs")
@needs("jobs:read")
@bp.arguments(JobFilterSchema, location="query")
@bp.response(200, list_of(JobSchema))
def list_jobs(wanted: dict[str, Any]) -> ResponseReturnValue:
    """List jobs.

    The newest first. A site's token finds its own site's jobs only.
    """
    piece = catalog().scans.read_jobs(
        after=read_number(wanted, "jobs"),
        size=wanted["size"],
        state=wanted.get("state"),
        name=wanted.get("name"),
        tenant_id=find_tenant_id(wanted),
    )
    return show_piece(piece, "jobs", lambda job: job.id, show_job)


@bp.route("/jobs/<int:job_id>")
@needs("jobs:read")
@bp.response(200, JobDetailSchema)
def show(job_id: int) -> ResponseReturnValue:
    """Show a job.

    With its progress and what it has logged.
    """
    job = get_job(job_id)
    return {**show_job(job), "lines": catalog().jobs.list_lines(job.id)}


@bp.route("/jobs/<int:job_id>/cancel", methods=["POST"])
@needs("jobs:write", platform=True)
@bp.response(200, JobSchema)
def cancel(job_id: int) -> ResponseReturnValue:
    """Cancel a job.

    One that runs is asked to stop, if it can be stopped: `cancel_requested` is then true.
    """
    return show_job(catalog().jobs.cancel(get_job(job_id).id, by=current_actor()))


@bp.route("/jobs/<int:job_id>/retry", methods=["POST"])
@needs("jobs:write", platform=True)
@bp.response(200, JobSchema)
def retry(job_id: int) -> ResponseReturnValue:
    """Run a failed or cancelled job again."""
    return show_job(catalog().jobs.retry(get_job(job_id).id, by=current_actor()))


def show_job(job: Job) -> dict[str, Any]:
    """Return a job as its schema has it. Owners do not learn how the platform is set up."""
    is_platform = current_token().tenant_id is None
    return {
        **{name: getattr(job, name) for name in FACTS},
        "state": job.state.value,
        "is_final": job.state.is_final,
        "arguments": dict(job.arguments) if is_platform else {},
        "result": dict(job.result) if is_platform else {},
    }


def job_url(job: Job) -> str:
    """Return where a job is found, as a path of this host."""
    return f"{request.script_root}/jobs/{job.id}"
