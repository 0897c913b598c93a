"""Custom hosts of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backend_app.api.access import needs
from backend_app.api.blueprint import Blueprint
from backend_app.api.reach import get_row
from backend_app.api.schemas import HostSchema, HostsSchema
from backend_app.context import backend, catalog
from tenantry.values.domain_proof import records_of

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Host

bp = Blueprint("hosts", __name__, description="Custom domains of a site.")


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
