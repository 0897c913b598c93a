"""Custom hosts of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request
from marshmallow import fields, validate

from backend_app.api.access import needs, operations
from backend_app.api.blueprint import Blueprint, Flag, Schema
from backend_app.api.reach import get_row
from backend_app.api.schemas import HostSchema, HostsSchema
from backend_app.context import backend, catalog
from tenantry.values.domain_proof import records_of

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Host

bp = Blueprint("hosts", __name__, description="Custom domains of a site.")


class NewHostSchema(Schema):
    """A custom host to be."""

    name = fields.String(required=True, validate=validate.Length(1, 300))


class HostChangeSchema(Schema):
    """What is to be changed of a host."""

    is_primary = Flag(
        required=True,
    )


@bp.route("/tenants/<tenant>/hosts")
@needs("hosts:read")
@bp.response(200, HostsSchema)
def list_hosts(tenant: str) -> ResponseReturnValue:
    """List the custom hosts of a tenant."""
    found = catalog().hosts.list(get_row(tenant).tenant.id)
    return {"items": [show_host(host) for host in found]}


@bp.route("/tenants/<tenant>/hosts/<host>")
@needs("hosts:read")
@bp.response(200, HostSchema)
def show(tenant: str, host: str) -> ResponseReturnValue:
    """Show a custom host of a tenant."""
    return show_host(catalog().hosts.get(get_row(tenant).tenant.id, host))


@bp.route("/tenants/<tenant>/hosts", methods=["POST"])
@needs("hosts:write")
@bp.arguments(NewHostSchema)
@bp.response(201, HostSchema, headers={"Location": {"schema": {"type": "string"}}})
def add(wanted: dict[str, Any], tenant: str) -> ResponseReturnValue:
    """Add a custom host to a tenant.

    Its DNS is checked at once. It is served when the DNS proves it; `records` says what to set.
    """
    row = get_row(tenant)
    host = operations().add_host(row.tenant.slug, wanted["name"])
    place = f"{request.script_root}/tenants/{row.tenant.id}/hosts/{host.name}"
    return show_host(host), {"Location": place}


@bp.route("/tenants/<tenant>/hosts/<host>/check", methods=["POST"])
@needs("hosts:write")
@bp.response(200, HostSchema)
def check(tenant: str, host: str) -> ResponseReturnValue:
    """Check the DNS of a custom host now.

    If it was checked within the last ten seconds, it is answered as it is.
    """
    return show_host(operations().check_host(get_row(tenant).tenant.slug, host))


@bp.route("/tenants/<tenant>/hosts/<host>", methods=["PATCH"])
@needs("hosts:write")
@bp.arguments(HostChangeSchema)
@bp.response(200, HostSchema)
def change(wanted: dict[str, Any], tenant: str, host: str) -> ResponseReturnValue:
    """Make a custom host the primary one, or end that.

    The tenant's other hosts redirect to its primary host.
    """
    found, hosts = get_row(tenant).tenant, catalog().hosts
    if hosts.get(found.id, host).is_primary != wanted["is_primary"]:
        operations().make_host_primary(found.slug, host if wanted["is_primary"] else None)
    return show_host(hosts.get(found.id, host))


@bp.route("/tenants/<tenant>/hosts/<host>", methods=["DELETE"])
@needs("hosts:write")
@bp.response(204)
def remove(tenant: str, host: str) -> ResponseReturnValue:
    """Remove a custom host from a tenant.

    If it was served, no other tenant gets it for 30 days.
    """
    operations().remove_host(get_row(tenant).tenant.slug, host)
    return "", 204


def show_host(host: Host) -> dict[str, Any]:
    """Return a host as its schema has it."""
    proof, leading = records_of(host.name, host.token, backend().settings.domain_targets)
    return {
        "name": host.name,
        "state": host.state.value,
        "is_primary": host.is_primary,
        "problem": host.problem,
        "records": [
            {"type": record.kind, "name": record.name, "value": record.value}
            for record in (proof, *leading)
        ],
        "created_at": host.created_at,
        "verified_at": host.verified_at,
        "checked_at": host.checked_at,
    }
