"""Operators see each site's newest backup: its age, its last check, the last try of a restore."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, redirect, render_template, url_for

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, operations
from backend_app.jobs import find_running
from backend_app.listing import Choice, Listing
from tenantry.catalog import BackupFilter
from tenantry.catalog.models import now

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("all_backups", __name__)

OLD = timedelta(hours=50)
"""Older than two daily backups, and the time that they take."""
FILTERS = {
    BackupFilter.NONE.value: "no backup",
    BackupFilter.OLD.value: "too old",
    BackupFilter.UNCHECKED.value: "not verified",
    BackupFilter.DAMAGED.value: "with a fault",
}


@bp.get("/backups")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List the sites with their newest backups."""
    listing = Listing.from_request(".index", choices=[Choice("show", "Backups", FILTERS)])
    which = BackupFilter(listing.chosen("show"))
    rows = catalog().backups.list(which, before=oldest(), cursor=listing.cursor)
    return render_template(
        "backend/all_backups.html",
        listing=listing,
        rows=rows,
        backups=catalog().backups.find([row.tenant.id for row in rows.items]),
        oldest=oldest(),
        settings=backend().settings,
    )


@bp.post("/backups/make")
@open_to(OPERATORS)
def make() -> ResponseReturnValue:
    """Have a job back all sites up, as the daily one does, unless one does already."""
    settings = backend().settings
    folder = settings.backup_dir or None
    return _lead_to("backup_all", keep=settings.backup_keep, folder=folder)


@bp.post("/backups/verify")
@open_to(OPERATORS)
def verify() -> ResponseReturnValue:
    """Have a job verify each newest backup that was not verified yet, unless one does already."""
    return _lead_to("verify_all")


def _lead_to(operation: str, **arguments: Any) -> ResponseReturnValue:
    """Start a job of all sites, and lead to it; a second one would find sites locked by the first."""
    job = find_running(f"operations.{operation}") or operations().start(operation, **arguments)
    return redirect(url_for("jobs.show", job_id=job.id), 303)


def oldest() -> datetime:
    """Return the moment before which a newest backup is too old."""
    return now() - OLD
