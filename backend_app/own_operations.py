"""What owners do to their site by themselves: back it up, restore, export, import, rename, delete it.

They are the platform's operations within limits. A restore first backs the site up, each is done a few
times a day at most, and no page names a file or a folder of the server.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from backend_app.access import OWNERS, open_to
from backend_app.context import backend, catalog, current_scope, operations
from backend_app.jobs import find_running
from backend_app.operation_forms import OperationForm, make_form
from tenantry import TenantState
from tenantry.catalog.models import now
from tenantry.errors import BundleError, CatalogUnavailableError, TenantryError
from tenantry.lifecycle.offered import OPERATIONS

if TYPE_CHECKING:
    from datetime import datetime

    from flask.typing import ResponseReturnValue

    from tenantry import Tenant
    from tenantry.lifecycle.declaration import Declaration, Prepared

bp = Blueprint("own_operations", __name__)

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OwnOperation:
    """An operation as owners have it."""

    declared: Declaration
    text: str
    """What it does, in sentences for owners."""
    a_day: int = 0
    """How often a day owners may have it done; 0 is no limit."""
    has_dry_run: bool = False
    """Whether the page can show what it would do; a deletion would name folders of the server."""
    is_dangerous: bool = False
    """Whether it stands in the danger zone, and wants the site's address typed."""


def _own(name: str, text: str, *, hidden: str = "", **facts: Any) -> OwnOperation:
    """Return an operation without the parameter that is not for owners."""
    declared = OPERATIONS[name]
    is_typed = declared.is_typed or facts.get("is_dangerous", False)
    shown = replace(declared, is_typed=is_typed, hidden=frozenset({hidden}))
    return OwnOperation(shown, text, **facts)


OWN = {
    one.declared.name: one
    for one in (
        _own(
            "backup",
            "Keep a copy of the site's content and files as they are now. The site stays in use.",
            hidden="keep",
            a_day=4,
        ),
        _own(
            "restore",
            "Bring the site back to a backup. Before that, it is backed up as it is now. Visitors are "
            "asked to come back meanwhile. Name, plan, domains and people stay as they are.",
            hidden="backup_first",
            a_day=3,
            has_dry_run=True,
        ),
        _own(
            "export",
            "Write the site's content and files into one file, which you can download.",
            a_day=4,
        ),
        _own(
            "rename",
            "Give the site another address. The old address leads there for a time, and no other site "
            "can have it.",
            a_day=2,
            has_dry_run=True,
            is_dangerous=True,
        ),
        _own(
            "delete",
            "Close the site for everyone and mark it as deleted.",
            is_dangerous=True,
        ),
    )
}
"""What owners do by themselves."""


_NAMES = ", ".join(repr(name) for name in OWN)


@bp.route(f"/own/<any({_NAMES}):own>", methods=["GET", "POST"])
@open_to(OWNERS)
def show(own: str) -> ResponseReturnValue:
    """Show what an operation does, and do it when its form comes back."""
    operation, tenant = OWN[own], get_site()
    key = find_next_key(operation, tenant)
    form = make_form(operation.declared, tenant.slug, request.args.to_dict())
    problem, status, would = find_refusal(operation, tenant), 200, ""
    if problem:
        status = 409 if request.method == "POST" else 200
    elif form.validate_on_submit():
        try:
            prepared = _prepare(operation, tenant, form, key)
            if not form.dry_run.data:
                return _do(operation, tenant, prepared)
            would = prepared.would[-1] if operation.has_dry_run else ""
        except CatalogUnavailableError:
            raise
        except TenantryError as error:
            problem, status = explain(error), error.status
    page = render_template(
        "backend/own_operation.html",
        own=operation,
        form=form,
        would=would,
        problem=problem,
        purge_days=backend().settings.purge_days,
    )
    return page, 422 if form.errors else status


def find_refusal(own: OwnOperation, tenant: Tenant) -> str:
    """Return why owners cannot have it done now; empty if they can."""
    row = catalog().tenants.get_row(tenant.slug)
    if tenant.state is TenantState.SUSPENDED or not own.declared.is_offered(row):
        return f"The site is {tenant.state}, so this cannot be done now."
    if (again := find_next_time(own, tenant)) is not None:
        when = f"{again:%Y-%m-%d %H:%M} UTC"
        return f"This can be done {own.a_day} times a day. It can be done again at {when}."
    return ""


def find_next_time(own: OwnOperation, tenant: Tenant) -> datetime | None:
    """Return when owners may have it done again; ``None`` is now."""
    if not own.a_day:
        return None
    times = _list_times(own.declared, tenant)[: own.a_day]
    if len(times) < own.a_day or times[-1] + DAY <= now():
        return None
    return times[-1] + DAY


def find_next_key(own: OwnOperation, tenant: Tenant) -> str | None:
    """Return the key of the next job: two requests at once get one job, and count once.

    It is to be found before :func:`find_refusal` counts the jobs.
    """
    if own.declared.job is None:
        return None
    name = f"operations.{own.declared.job}"
    latest = catalog().jobs.list(name=name, tenant_id=tenant.id, size=1).items
    return f"after {latest[0].id if latest else 0}"


def _list_times(declared: Declaration, tenant: Tenant) -> list[datetime]:
    """Return when owners had it done, the newest first; what needs no job is in the audit trail."""
    if declared.job is None:
        action = f"tenant.{declared.name}"
        events = catalog().audit.list(tenant_id=tenant.id, action=action, size=50).items
        return [event.at for event in events if event.actor_kind == "owner"]
    name = f"operations.{declared.job}"
    latest = catalog().jobs.list(name=name, tenant_id=tenant.id, size=50).items
    return [job.created_at for job in latest if job.by.kind == "owner"]


def check_other_restore(tenant: Tenant, file: str = "") -> None:
    """Refuse a restore while another file is being restored: only that one would be.

    :param file: The name of a backup; empty for a file that has just been sent.
    :raises BundleError: There is one.
    """
    job = find_running("operations.restore", tenant.id)
    if job is not None and PurePath(job.arguments.get("path") or "").name != file:
        raise BundleError("", "another restore is under way; wait until it has ended")


def explain(error: TenantryError) -> str:
    """Return an error's sentence without the file that it names."""
    if isinstance(error, BundleError):
        return str(BundleError("The backup", error.problem))
    return str(error)


def get_site() -> Tenant:
    """Return the site whose host this is."""
    tenant = current_scope().tenant
    if tenant is None:
        abort(404)
    return tenant


def _prepare(own: OwnOperation, tenant: Tenant, form: OperationForm, key: str | None) -> Prepared:
    arguments = form.arguments(own.declared)
    if own.declared.name == "restore":
        arguments["backup_first"] = True
        check_other_restore(tenant, arguments["backup"])
    return own.declared.prepare(operations(job_key=key), tenant.slug, **arguments)


def _do(own: OwnOperation, tenant: Tenant, prepared: Prepared) -> ResponseReturnValue:
    """Have it done, and lead to where its result is seen."""
    name = own.declared.job
    job = (find_running(f"operations.{name}", tenant.id) if name else None) or prepared.run()
    if own.declared.name in {"rename", "delete"}:  # nobody is signed in at this address any more
        return redirect(backend().settings.own_sites_url, 303)
    if job is None:
        flash(prepared.done, "success")
        return redirect(url_for("home.index"), 303)
    return redirect(url_for("own_jobs.show", job_id=job.id), 303)
