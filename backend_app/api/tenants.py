"""Tenants: list and show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, request
from marshmallow import fields, validate

from backend_app.api.access import current_token, needs
from backend_app.api.blueprint import Blueprint
from backend_app.api.paging import PageSchema, list_of, read_cursor, show_piece
from backend_app.api.reach import get_row
from backend_app.api.schemas import STATES, TenantSchema, told
from backend_app.context import backend, catalog

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import TenantRow

bp = Blueprint("tenants", __name__, description="Sites, by id or by slug.")

SETTINGS = ("tagline", "language", "accent")


class TenantFilterSchema(PageSchema):
    """Which tenants to list."""

    search = fields.String(
        load_default="",
        validate=validate.Length(max=100),
        metadata=told("Part of a slug, now or before, of a name or of a host."),
    )
    slug = fields.String(validate=validate.Length(max=63))
    state = fields.String(validate=validate.OneOf(STATES))
    plan = fields.String(validate=validate.Length(max=40))
    placement = fields.String(validate=validate.Length(max=40))
    owner = fields.String(validate=validate.Length(max=254), metadata=told("An owner's address."))


@bp.route("/tenants")
@needs("tenants:read")
@bp.arguments(TenantFilterSchema, location="query")
@bp.response(200, list_of(TenantSchema))
def list_tenants(wanted: dict[str, Any]) -> ResponseReturnValue:
    """List tenants.

    By id. A site's token finds its own site only.
    """
    after = read_cursor(wanted, "tenants")
    piece = catalog().scans.read_tenants(after=after, tenant_id=current_token().tenant_id, **wanted)
    return show_piece(piece, "tenants", lambda row: row.tenant.id, show_tenant)


@bp.route("/tenants/<tenant>")
@needs("tenants:read")
@bp.response(200, TenantSchema, headers={"ETag": {"schema": {"type": "string"}}})
def show(tenant: str) -> ResponseReturnValue:
    """Show a tenant.

    `ETag` is its revision, which a change sends back as `If-Match`.
    """
    row = get_row(tenant)
    if request.if_none_match.contains_weak(str(row.tenant.revision)):
        return Response(status=304, headers={"ETag": etag_of(row)})
    return show_tenant(row), {"ETag": etag_of(row)}


def etag_of(row: TenantRow) -> str:
    """Return the entity tag of a tenant."""
    return f'"{row.tenant.revision}"'


def show_tenant(row: TenantRow) -> dict[str, Any]:
    """Return a tenant as its schema has it."""
    tenant = row.tenant
    settings = {key: tenant.settings[key] for key in SETTINGS if tenant.settings.get(key)}
    return {
        "id": tenant.id,
        "slug": tenant.slug,
        "name": tenant.name,
        "state": tenant.state.value,
        "reason": row.reason or None,
        "plan": tenant.plan,
        "placement": tenant.placement,
        "revision": tenant.revision,
        "url": backend().settings.site_url(tenant),
        "hosts": list(tenant.hosts),
        "owners": list(tenant.owners),
        "settings": {**settings, "listed": bool(tenant.settings.get("listed"))},
        "quiet": tenant.quiet,
        "created_at": row.created_at,
        "purge_at": row.purge_at,
        "purged_at": row.purged_at,
    }
