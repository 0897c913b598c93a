"""Backups of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend_app.api.access import needs
from backend_app.api.blueprint import Blueprint
from backend_app.api.reach import get_row
from backend_app.api.schemas import BackupsSchema
from backend_app.context import backend
from tenantry.lifecycle.backup import list_backups
from tenantry.lifecycle.tenant_paths import TenantPaths

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("backups", __name__, description="Backups of a site.")


@bp.route("/tenants/<tenant>/backups")
@needs("backups:read")
@bp.response(200, BackupsSchema)
def list_all(tenant: str) -> ResponseReturnValue:
    """List the backups of a tenant.

    The newest first. The operation `restore` takes a backup's name.
    """
    items = []
    for path in list_backups(TenantPaths(get_row(tenant).tenant, backend().settings)):
        try:
            items.append({"name": path.name, "bytes": path.stat().st_size})
        except FileNotFoundError:  # thinned out meanwhile
            continue
    return {"items": items}
