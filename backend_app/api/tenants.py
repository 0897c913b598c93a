"""Tenants: list, show, create, change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Response, request
from marshmallow import fields, validate

from backend_app.api.access import current_actor, current_token, needs, operations
from backend_app.api.blueprint import Blueprint, Flag, Schema
from backend_app.api.paging import PageSchema, list_of, read_cursor, show_piece
from backend_app.api.problems import ProblemError
from backend_app.api.reach import get_row
from backend_app.api.schemas import STATES, SiteSettingsSchema, TenantSchema, told
from backend_app.context import backend, catalog
from tenantry import TenantState
from tenantry.values.slugs import MAX_SLUG

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import TenantRow

bp = Blueprint("tenants", __name__, description="Sites, by id or by slug.")

SETTINGS = ("tagline", "language", "accent")


NOT_CHANGED = frozenset({TenantState.PROVISIONING, TenantState.DELETED})
TAGGED = {"ETag": {"schema": {"type": "string"}}}
NEW = {**TAGGED, "Location": {"schema": {"type": "string"}}}


class TenantFilterSchema(PageSchema):
    """Which tenants to list."""

    search = fields.String(
        load_default="",
        validate=validate.Length(max=100),
        metadata=told(
            "Words of a slug, name, host or person, or how they begin: all must be there."
        ),
    )
    slug = fields.String(validate=validate.Length(max=63))
    state = fields.String(validate=validate.OneOf(STATES))
    plan = fields.String(validate=validate.Length(max=40))
    placement = fields.String(validate=validate.Length(max=40))
    owner = fields.String(validate=validate.Length(max=254), metadata=told("An owner's address."))


class NewTenantSchema(Schema):
    """A tenant to be."""

    slug = fields.String(
        required=True,
        validate=[
            validate.Length(1, MAX_SLUG),
            validate.Regexp(r"^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$"),
        ],
        metadata=told("Its name under the platform's domain."),
    )
    name = fields.String(
        load_default="",
        validate=validate.Length(max=100),
        metadata=told("What people call the site; by default the slug."),
    )
    owner_email = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=254)
    )
    plan = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=40))
    placement = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=40))
    listed = Flag(
        load_default=False,
        metadata=told("Whether the public directory shows the site."),
    )


class TenantChangeSchema(Schema):
    """What is to be changed."""

    name = fields.String(validate=validate.Length(1, 100))
    settings = fields.Nested(SiteSettingsSchema)


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


@bp.route("/tenants", methods=["POST"])
@needs("tenants:write", platform=True)
@bp.arguments(NewTenantSchema)
@bp.response(201, TenantSchema, headers=NEW)
def create(wanted: dict[str, Any]) -> ResponseReturnValue:
    """Create a tenant.

    Its site can be visited when the answer arrives. An owner without an account gets one.
    """
    settings, placement = backend().settings, wanted["placement"]
    if placement is not None and placement not in {it.name for it in settings.databases}:
        raise ProblemError(422, f"placement: There is no placement {placement!r:.60}.")
    made = operations().create(
        wanted["slug"],
        name=wanted["name"] or wanted["slug"],
        owner_email=wanted["owner_email"],
        site_settings={"listed": wanted["listed"]},
        plan=wanted["plan"],
        placement=placement,
    )
    row = catalog().tenants.get_row(made.slug)
    return show_tenant(row), {"ETag": etag_of(row), "Location": _url(row)}


@bp.route("/tenants/<tenant>", methods=["PATCH"])
@needs("tenants:write", match=True)
@bp.arguments(TenantChangeSchema)
@bp.response(200, TenantSchema, headers=TAGGED)
def change(wanted: dict[str, Any], tenant: str) -> ResponseReturnValue:
    """Change a tenant's name or settings.

    What is left out stays. Plan, slug, state and owners are changed by operations.
    """
    row = get_row(tenant)
    if row.tenant.state in NOT_CHANGED:
        raise ProblemError(409, f"{row.tenant.slug} is {row.tenant.state}.")
    catalog().tenants.configure(
        row.tenant.id,
        name=wanted.get("name"),
        settings=wanted.get("settings"),
        by=current_actor(),
    )
    row = get_row(row.tenant.id)
    return show_tenant(row), {"ETag": etag_of(row)}


@bp.route("/tenants/<tenant>")
@needs("tenants:read")
@bp.response(200, TenantSchema, headers=TAGGED)
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


def _url(row: TenantRow) -> str:
    return f"{request.script_root}/tenants/{row.tenant.id}"


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
