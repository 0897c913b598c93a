"""Operators see the jobs of the platform: a list, and a page for each that keeps itself up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, request, send_file, url_for

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, current_actor
from backend_app.tables import TableQuery
from tenantry.catalog import JobState, SiteState
from tenantry.errors import JobNotFoundError, JobStateError, TenantNotFoundError
from tenantry.files.disk import is_file
from tenantry.jobs import JobDefinitions, JobQueue
from tenantry.lifecycle.jobs import exports_dir, operation_jobs
from tenantry.lifecycle.offered import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Job

bp = Blueprint("jobs", __name__)

PAGE_SIZE = 25
LINES = 1000
NEWEST = 5
MOST_FAILED = 200
"""Sites that failed, which a job's page names."""
BULK = "operations.bulk"
MAX_NAME = 80
TITLES = {f"operations.{one.job}": one.title for one in OPERATIONS.values() if one.job} | {
    "operations.import": "Import",
    BULK: "Do something to many sites",
    "operations.create_many": "Create sites",
    "operations.backup_all": "Back up all sites",
    "operations.verify_all": "Verify the newest backups",
    "operations.give_up": "Give up the unconfirmed site",
    "operations.plan_check": "Check a plan's limits",
    "platform.announce": "Mail an announcement",
    "platform.doctor": "Doctor",
    "operations.purge_due": "Purge what is due",
    "platform.check_hosts": "Check domains",
    "platform.give_up_unconfirmed": "Give up unconfirmed sites",
    "platform.check_quotas": "Check quotas",
    "platform.clean": "Remove old records",
}
"""What people call the platform's own jobs."""


@bp.get("/jobs")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List the jobs, newest first: by state, name and site."""
    query = TableQuery.from_request()
    state = request.args.get("state", "")
    name = request.args.get("name", "")[:MAX_NAME]
    chosen = JobState(state) if state in set(JobState) else None
    tenant = catalog().tenants.find(query.search) if query.search else None
    page = catalog().jobs.list(
        state=chosen,
        tenant_id=tenant.id if tenant else query.search or None,
        name=name or None,
        page=query.page,
        size=PAGE_SIZE,
    )
    return render_template(
        "backend/jobs.html",
        page=page,
        query=query,
        state=chosen,
        states=list(JobState),
        name=name,
        names=_list_names(),
        slugs=_find_slugs(page.items),
        title_of=title_of,
        has_worker=catalog().jobs.pipe.has_reader(),
    )


@bp.get("/jobs/<int:job_id>")
@open_to(OPERATORS)
def show(job_id: int) -> ResponseReturnValue:
    """Show everything about one job."""
    return render_template("backend/job.html", **_facts(job_id))


@bp.get("/jobs/<int:job_id>/progress")
@open_to(OPERATORS)
def progress(job_id: int) -> ResponseReturnValue:
    """Return the part of the job's page that changes, or nothing if it is as the page has it.

    The page asks every two seconds until the job has ended. An answer that changes nothing costs one
    indexed read of the catalog, beside that of the session.
    """
    _, version = get_job(job_id)
    if version == request.args.get("version"):
        return "", 204
    return render_template("backend/job_progress.html", **_facts(job_id))


@bp.post("/jobs/<int:job_id>/cancel")
@open_to(OPERATORS)
def cancel(job_id: int) -> ResponseReturnValue:
    """Cancel a job that waits, or ask one that runs to stop."""
    try:
        job = catalog().jobs.cancel(job_id, by=current_actor())
    except JobNotFoundError:
        abort(404)
    except JobStateError as error:
        flash(str(error), "warning")
    else:
        is_over = job.state is JobState.CANCELLED
        told = "is cancelled" if is_over else "is asked to stop, and stops where that is safe"
        flash(f"Job {job_id} {told}.", "success")
    return redirect(url_for(".show", job_id=job_id), 303)


@bp.post("/jobs/<int:job_id>/retry")
@open_to(OPERATORS)
def retry(job_id: int) -> ResponseReturnValue:
    """Run a failed or cancelled job again, with all of its attempts."""
    try:
        catalog().jobs.retry(job_id, by=current_actor())
    except JobNotFoundError:
        abort(404)
    except JobStateError as error:
        flash(str(error), "warning")
    else:
        flash(f"Job {job_id} is queued again.", "success")
    return redirect(url_for(".show", job_id=job_id), 303)


@bp.get("/jobs/<int:job_id>/file")
@open_to(OPERATORS)
def download(job_id: int) -> ResponseReturnValue:
    """Send the file that an export has written."""
    job, _ = get_job(job_id)
    return send_export(job)


def send_export(job: Job) -> ResponseReturnValue:
    """Send the file that a job has written, and record who has it; 404 if there is none any more."""
    path = find_export(job)
    if path is None:
        abort(404)
    catalog().audit.record(
        "job.download",
        tenant_id=job.tenant_id,
        detail={"job": job.id, "file": path.name},
        by=current_actor(),
    )
    return send_file(
        path, mimetype="application/octet-stream", as_attachment=True, download_name=path.name
    )


def find_running(name: str, tenant_id: str | None = None) -> Job | None:
    """Return a job of this name that has not ended, of the newest ones."""
    newest = catalog().jobs.list(name=name, tenant_id=tenant_id, size=NEWEST).items
    return next((job for job in newest if not job.state.is_final), None)


def enqueue(name: str, *, key: str | None = None, **arguments: Any) -> Job:
    """Have a job of the platform's own done, in the name of the account that asks."""
    definitions = JobDefinitions(operation_jobs(catalog(), backend().settings))
    queue = JobQueue(catalog().jobs, definitions)
    return queue.enqueue(name, arguments, key=key, by=current_actor())


def title_of(job: Job) -> str:
    """Return what people call the job."""
    if job.name == BULK and (declared := OPERATIONS.get(job.arguments["operation"])):
        return f"{declared.title} many sites"
    return TITLES.get(job.name, job.name)


def get_job(job_id: int) -> tuple[Job, str]:
    """Return a job, and what its page says about how far it is: another text when that changes."""
    try:
        job, last_line = catalog().jobs.get_progress(job_id)
    except JobNotFoundError:
        abort(404)
    facts = (job.state, job.attempts, job.losses, job.done, job.total, job.cancel_requested)
    return job, "-".join(map(str, (*facts, last_line)))


def _facts(job_id: int) -> dict[str, Any]:
    job, version = get_job(job_id)
    export = find_export(job)
    return {
        "job": job,
        "version": version,
        "title": title_of(job),
        "lines": catalog().jobs.list_lines(job_id, limit=LINES),
        "slug": _find_slugs([job]).get(job.tenant_id),
        "made": job.result.get("slug"),
        "sites": catalog().job_sites.count(job_id) if job.name == BULK else {},
        "failed": catalog().job_sites.list(job_id, SiteState.FAILED, limit=MOST_FAILED)
        if job.name == BULK
        else (),
        "export": export,
        "export_size": export.stat().st_size if export is not None else 0,
        "has_worker": job.state.is_final or catalog().jobs.pipe.has_reader(),
    }


def find_export(job: Job) -> Path | None:
    """Return the file that an export has written, if it is still in the folder of exports."""
    file = job.result.get("file") if job.name == "operations.export" else None
    if not isinstance(file, str):
        return None
    path = Path(file)
    return path if path.parent == exports_dir(backend().settings) and is_file(path) else None


def _list_names() -> list[str]:
    found = backend()
    platform = operation_jobs(found.catalog, found.settings)
    return sorted(definition.name for definition in (*platform, *found.factory.jobs))


def _find_slugs(jobs: Iterable[Job]) -> dict[str | None, str]:
    """Return the slugs of the jobs' tenants by their ids; a tenant that is gone has none."""
    found: dict[str | None, str] = {}
    for tenant_id in {job.tenant_id for job in jobs if job.tenant_id is not None}:
        try:
            found[tenant_id] = catalog().tenants.get_by_id(tenant_id).slug
        except TenantNotFoundError:
            continue
    return found
