"""The sites that an account owns or helps to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from flask_wtf import FlaskForm

from frontend_app.context import catalog, front, operations
from frontend_app.onward import MANAGEABLE, go_to_backend, go_to_site
from frontend_app.sessions import current_account, recently_proved, require_account
from tenantry import TenantState
from tenantry.errors import TenantryError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from flask.typing import ResponseReturnValue

    from tenantry import Tenant

bp = Blueprint("own_sites", __name__)
bp.before_request(require_account)


@bp.get("/", strict_slashes=False)
def index() -> ResponseReturnValue:
    """List them."""
    memberships = catalog().memberships.list(current_account().id)
    return render_template(
        "front/own_sites.html",
        memberships=memberships,
        held=[tenant for tenant, _ in memberships if tenant.held_until is not None],
        manageable=MANAGEABLE,
        undeletable=find_deleted_by_owners(
            tenant for tenant, role in memberships if role == "owner"
        ),
        can_sign_up=front().settings.signup != "closed",
        form=FlaskForm(),
    )


@bp.post("/<slug>/open")
def visit(slug: str) -> ResponseReturnValue:
    """Open the site; its owner is signed in there. Another account's site is not found (R40)."""
    tenant, _ = find_own(slug)
    return go_to_site(tenant, current_account())


@bp.post("/<slug>/manage")
def manage(slug: str) -> ResponseReturnValue:
    """Go to the site's own backend."""
    tenant, _ = find_own(slug)
    if tenant.state not in MANAGEABLE:
        abort(404)
    return go_to_backend(tenant, current_account())


@bp.post("/<slug>/undelete")
@recently_proved
def undelete(slug: str) -> ResponseReturnValue:
    """Bring back a site that its owners have deleted, within its grace."""
    tenant, role = find_own(slug)
    if role != "owner" or not find_deleted_by_owners([tenant]):
        abort(404)
    try:
        reopened = operations().undelete_own(tenant.slug)
    except TenantryError as error:
        flash(str(error), "warning")
    else:
        if reopened.state is TenantState.ACTIVE:
            flash(f"{tenant.name} is back.", "success")
        else:
            flash(f"{tenant.name} is back, but closed. Ask the platform's operator to open it.")
    return redirect(url_for(".index"), 303)


def find_deleted_by_owners(tenants: Iterable[Tenant]) -> dict[str, datetime]:
    """Return until when each of the deleted tenants can be brought back by its owners, by id."""
    found = {}
    for tenant in tenants:
        if tenant.state is TenantState.DELETED:
            until = operations().find_own_grace(tenant)
            if until is not None:
                found[tenant.id] = until
    return found


def find_own(slug: str) -> tuple[Tenant, str]:
    """Return a site of the account and its role there; any other one is not found (R40)."""
    tenant = catalog().tenants.find(slug)
    role = catalog().memberships.find_role(current_account().id, tenant.id) if tenant else None
    if tenant is None or role is None:
        abort(404)
    return tenant, role
