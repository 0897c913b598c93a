"""Operators see all custom domains of all sites, by state, and have one checked now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, flash, redirect, render_template, url_for

from backend_app.access import OPERATORS, open_to
from backend_app.context import catalog, operations
from backend_app.listing import Choice, Listing
from tenantry.catalog import HostState
from tenantry.errors import BadHostError, HostNotFoundError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("all_domains", __name__)

STATES = {
    HostState.PENDING.value: "not verified yet",
    HostState.VERIFIED.value: "verified",
    HostState.LOST.value: "lost",
    HostState.EXPIRED.value: "expired",
}


@bp.get("/all-domains")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """List the domains."""
    listing = Listing.from_request(".index", choices=[Choice("state", "State", STATES)])
    chosen = listing.chosen("state")
    return render_template(
        "backend/all_domains.html",
        listing=listing,
        states=STATES,
        rows=catalog().hosts.list_page(
            search=listing.search.lower(),
            state=HostState(chosen) if chosen else None,
            cursor=listing.cursor,
        ),
    )


@bp.post("/all-domains/<slug>/<host>/check")
@open_to(OPERATORS)
def check(slug: str, host: str) -> ResponseReturnValue:
    """Check a domain's records now."""
    try:
        found = operations().check_host(slug, host)
    except (BadHostError, HostNotFoundError) as error:
        flash(str(error), "warning")
    else:
        told = found.problem or f"it is {STATES[found.state.value]}"
        flash(f"{host}: {told}", "success" if found.is_served else "warning")
    return redirect(url_for(".index"), 303)
