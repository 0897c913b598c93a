"""The audit trail of the whole platform, newest first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from backend_app.access import OPERATORS, open_to
from backend_app.activity import SENTENCES, describe
from backend_app.context import catalog
from backend_app.listing import CSV_SIZE, Choice, Listing, send_csv
from tenantry.catalog import EventFilter

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import AuditEvent, Slice

bp = Blueprint("audit", __name__)

PAGE_SIZE = 50
KINDS = sorted({action.partition(".")[0] for action in SENTENCES})
CSV_HEADS = ("number", "at", "kind", "actor", "action", "tenant", "slug", "what", "detail")


@bp.get("/audit")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show a page of it."""
    listing = _read_listing()
    rows = catalog().listings.events(_read_filter(listing), cursor=listing.cursor, size=PAGE_SIZE)
    return render_template("backend/audit.html", listing=listing, rows=rows)


@bp.get("/audit.csv")
@open_to(OPERATORS)
def download() -> ResponseReturnValue:
    """Send the events that the table shows, all of its pages, as a file."""
    listing, listings = _read_listing(), catalog().listings
    which = _read_filter(listing)

    def read(cursor: str) -> Slice[AuditEvent]:
        return listings.events(which, cursor=cursor, size=CSV_SIZE)

    return send_csv("audit", CSV_HEADS, read, _to_cells)


def _read_listing() -> Listing:
    kinds = {kind: kind.capitalize() for kind in KINDS}
    return Listing.from_request(".index", choices=[Choice("kind", "About", kinds)])


def _read_filter(listing: Listing) -> EventFilter:
    """Return the filter: what is searched for is a site, if one has this address, or a person."""
    tenant = catalog().tenants.find(listing.search) if listing.search else None
    return EventFilter(
        tenant_id=tenant.id if tenant else "",
        action=listing.chosen("kind"),
        actor="" if tenant else listing.search,
    )


def _to_cells(event: AuditEvent) -> tuple[object, ...]:
    return (
        event.number,
        event.at.isoformat(timespec="seconds"),
        event.actor_kind,
        event.actor,
        event.action,
        event.tenant_id,
        event.tenant_slug,
        describe(event),
        json.dumps(dict(event.detail), ensure_ascii=False, default=str),
    )
