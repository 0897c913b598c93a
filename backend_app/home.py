"""The first page after signing in: the platform's, an owner's, or a site's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, g, redirect, render_template

from backend_app.access import SIGNED_IN, open_to
from backend_app.attention import find_concerns
from backend_app.context import backend, catalog, current_scope
from backend_app.figures import RANGES, read_figures
from backend_app.site import show_overview
from tenantry.catalog import EventFilter, TenantFilter

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("home", __name__)

RECENT = 8


@bp.get("/")
@open_to(SIGNED_IN)
def index() -> ResponseReturnValue:
    """Show what this account comes here for."""
    tenant = current_scope().tenant
    if tenant is not None:
        return show_overview(tenant)
    if not g.account.operator:
        return redirect(backend().settings.own_sites_url)
    listings = catalog().listings  # which count no more rows than they show
    return render_template(
        "backend/dashboard.html",
        counts=catalog().tenants.count_by_state(),
        newest=listings.tenants(TenantFilter(), sort="-created_at", size=RECENT).items,
        events=listings.events(EventFilter(), size=RECENT).items,
        attention=find_concerns(),
        plans=catalog().tenants.count_by_plan(),
        figures=read_figures(),
        ranges=RANGES,
    )
