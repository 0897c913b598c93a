"""Operations on a tenant: what there is, made of the same declarations as the console's forms."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from backend_app.api.access import needs, operations
from backend_app.api.blueprint import Blueprint
from backend_app.api.reach import get_row
from backend_app.api.schemas import OperationsSchema
from tenantry.lifecycle.offered import OPERATIONS

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import TenantRow
    from tenantry.lifecycle.declaration import Declaration

bp = Blueprint("operations", __name__, description="What can be done to a site.")

TYPES = {str: "string", bool: "boolean", int: "integer", datetime: "date-time"}


@bp.route("/tenants/<tenant>/operations")
@needs("tenants:read")
@bp.response(200, OperationsSchema)
def list_operations(tenant: str) -> ResponseReturnValue:
    """List the operations on a tenant.

    With their parameters, and whether they make sense now.
    """
    row = get_row(tenant)
    return {"items": [_show(declaration, row) for declaration in OPERATIONS.values()]}


def _show(declaration: Declaration, row: TenantRow) -> dict[str, Any]:
    slug = row.tenant.slug
    return {
        "name": declaration.name,
        "title": declaration.title,
        "text": declaration.text,
        "is_offered": declaration.is_offered(row),
        "is_job": declaration.job is not None,
        "needs_confirmation": declaration.is_typed,
        "parameters": [
            {
                "name": parameter.name,
                "type": TYPES[parameter.type],
                "text": f"{parameter.hint.label}. {parameter.hint.text}".strip(),
                "is_required": parameter.is_required,
                "choices": list(parameter.find_choices(operations(), slug)),
            }
            for parameter in declaration.parameters
        ],
    }
