"""The sites that an account owns or helps to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, g, render_template
from flask_wtf import FlaskForm

from backend_app.access import ACCOUNTS, open_to
from backend_app.context import catalog
from backend_app.entering import go_to_backend_of, is_manageable

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("own_sites", __name__)


@bp.get("/sites")
@open_to(ACCOUNTS)
def index() -> ResponseReturnValue:
    """List them."""
    return render_template(
        "backend/own_sites.html",
        memberships=catalog().memberships.list(g.account.id),
        is_manageable=is_manageable,
        form=FlaskForm(),
    )


@bp.post("/sites/<slug>/manage")
@open_to(ACCOUNTS)
def manage(slug: str) -> ResponseReturnValue:
    """Go to the site's own backend. Another account's site is not found (R40)."""
    tenant = catalog().tenants.find(slug)
    if tenant is None or not is_manageable(tenant):
        abort(404)
    if catalog().memberships.find_role(g.account.id, tenant.id) is None:
        abort(404)
    return go_to_backend_of(tenant)
