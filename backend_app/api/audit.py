"""The audit trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate

from backend_app.api.access import current_token, needs
from backend_app.api.blueprint import Blueprint
from backend_app.api.paging import PageSchema, list_of, read_number, show_piece
from backend_app.api.reach import find_tenant_id
from backend_app.api.schemas import EventSchema, tenant_filter, told
from backend_app.context import catalog

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import AuditEvent

bp = Blueprint("audit", __name__, description="Who did what.")

FACTS = tuple(EventSchema().fields)


class EventFilterSchema(PageSchema):
    """Which events to list."""

    action = fields.String(validate=validate.Length(max=40), metadata=told("As tenant.state."))
    tenant = tenant_filter()


@bp.route("/audit")
@needs("audit:read")
@bp.arguments(EventFilterSchema, location="query")
@bp.response(200, list_of(EventSchema))
def list_events(wanted: dict[str, Any]) -> ResponseReturnValue:
    """List events of the audit trail.

    The newest first. A site's token finds its own site's events only.
    """
    piece = catalog().scans.read_events(
        after=read_number(wanted, "audit"),
        size=wanted["size"],
        action=wanted.get("action"),
        tenant_id=find_tenant_id(wanted),
    )
    return show_piece(piece, "audit", lambda event: event.number, _show)


def _show(event: AuditEvent) -> dict[str, Any]:
    """Return an event. Owners do not learn where an operator sits."""
    shown = {name: getattr(event, name) for name in FACTS}
    shown["detail"] = dict(event.detail)
    if current_token().tenant_id is not None and event.actor_kind == "operator":
        shown["ip"] = None
    return shown
