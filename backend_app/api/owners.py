"""Owners of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate

from backend_app.api.access import needs, operations
from backend_app.api.blueprint import Blueprint, Schema
from backend_app.api.problems import ProblemError
from backend_app.api.reach import get_row
from backend_app.api.schemas import OwnersSchema

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("owners", __name__, description="Accounts that own a site, by address.")


class NewOwnerSchema(Schema):
    """An owner to be."""

    email = fields.String(required=True, validate=validate.Length(1, 254))


@bp.route("/tenants/<tenant>/owners")
@needs("owners:read")
@bp.response(200, OwnersSchema)
def list_owners(tenant: str) -> ResponseReturnValue:
    """List the owners of a tenant."""
    return {"items": list(get_row(tenant).owners)}


@bp.route("/tenants/<tenant>/owners", methods=["POST"])
@needs("owners:write", platform=True)
@bp.arguments(NewOwnerSchema)
@bp.response(200, OwnersSchema)
def add(wanted: dict[str, Any], tenant: str) -> ResponseReturnValue:
    """Add an owner to a tenant.

    An account is created if there is none.
    """
    slug = get_row(tenant).tenant.slug
    return {"items": list(operations().change_owners(slug, "add", wanted["email"]))}


@bp.route("/tenants/<tenant>/owners/<owner>", methods=["DELETE"])
@needs("owners:write", platform=True)
@bp.response(200, OwnersSchema)
def remove(tenant: str, owner: str) -> ResponseReturnValue:
    """Remove an owner from a tenant.

    At least one stays.
    """
    row = get_row(tenant)
    if owner.casefold() not in row.owners:
        raise ProblemError(404, f"{owner!r:.100} does not own {row.tenant.slug}.")
    return {"items": list(operations().change_owners(row.tenant.slug, "remove", owner))}
