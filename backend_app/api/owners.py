"""Owners of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend_app.api.access import needs
from backend_app.api.blueprint import Blueprint
from backend_app.api.reach import get_row
from backend_app.api.schemas import OwnersSchema

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("owners", __name__, description="Accounts that own a site, by address.")


@bp.route("/tenants/<tenant>/owners")
@needs("owners:read")
@bp.response(200, OwnersSchema)
def list_owners(tenant: str) -> ResponseReturnValue:
    """List the owners of a tenant."""
    return {"items": list(get_row(tenant).owners)}
