"""Backups of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend_app.api.access import needs, operations
from backend_app.api.blueprint import Blueprint
from backend_app.api.reach import get_row
from backend_app.api.schemas import BackupsSchema
from backend_app.context import backend
from tenantry.lifecycle.tenant_paths import TenantPaths

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("backups", __name__, description="Backups of a site in the data folder.")


@bp.route("/tenants/<tenant>/backups")
@needs("backups:read")
@bp.response(200, BackupsSchema)
def list_backups(tenant: str) -> ResponseReturnValue:
    """List the backups of a tenant.

    The newest first. The operation `restore` takes a backup's name.
    """
    found = get_row(tenant).tenant
    home = TenantPaths(found, backend().settings).backups
    items = []
    for name in operations().list_backup_names(found.slug):
        try:
            items.append({"name": name, "bytes": (home / name).stat().st_size})
        except FileNotFoundError:  # thinned out meanwhile
            continue
    return {"items": items}
