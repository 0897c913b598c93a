"""The sites that an account owns or helps to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, render_template
from flask_wtf import FlaskForm

from frontend_app.context import catalog, front
from frontend_app.onward import MANAGEABLE, go_to_backend, go_to_site
from frontend_app.sessions import current_account, require_account

if TYPE_CHECKING:
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


def find_own(slug: str) -> tuple[Tenant, str]:
    """Return a site of the account and its role there; any other one is not found (R40)."""
    tenant = catalog().tenants.find(slug)
    role = catalog().memberships.find_role(current_account().id, tenant.id) if tenant else None
    if tenant is None or role is None:
        abort(404)
    return tenant, role
