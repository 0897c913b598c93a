"""Accounts of the platform: list, show, create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request
from marshmallow import fields, validate

from backend_app.api.access import current_actor, needs
from backend_app.api.blueprint import Blueprint, Schema
from backend_app.api.paging import PageSchema, list_of, read_cursor, show_piece
from backend_app.api.problems import ProblemError
from backend_app.api.schemas import AccountSchema, told
from backend_app.context import catalog

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("accounts", __name__, description="Operators, owners and staff.")


class AccountFilterSchema(PageSchema):
    """Which accounts to list."""

    search = fields.String(
        load_default="",
        validate=validate.Length(max=100),
        metadata=told("Words of an address or a name, or how they begin."),
    )
    operators = fields.Boolean(
        load_default=False,
        truthy={"true"},
        falsy={"false"},
        metadata=told("Only operators."),
    )


class NewAccountSchema(Schema):
    """An account to be."""

    email = fields.String(required=True, validate=validate.Length(1, 254))
    name = fields.String(load_default="", validate=validate.Length(max=200))


@bp.route("/accounts", methods=["POST"])
@needs("accounts:write", platform=True)
@bp.arguments(NewAccountSchema)
@bp.response(201, AccountSchema, headers={"Location": {"schema": {"type": "string"}}})
def create(wanted: dict[str, Any]) -> ResponseReturnValue:
    """Create an account.

    It is no operator's: only the command line makes one. Its holder sets a password by the link on
    the sign-in page.
    """
    made = catalog().accounts.add(wanted["email"], name=wanted["name"], by=current_actor())
    place = f"{request.script_root}/accounts/{made.id}"
    return made, {"Location": place}  # type: ignore[return-value]  # the schema makes JSON of it


@bp.route("/accounts")
@needs("accounts:read", platform=True)
@bp.arguments(AccountFilterSchema, location="query")
@bp.response(200, list_of(AccountSchema))
def list_accounts(wanted: dict[str, Any]) -> ResponseReturnValue:
    """List accounts.

    By id.
    """
    after = read_cursor(wanted, "accounts")
    piece = catalog().scans.read_accounts(after=after, **wanted)
    return show_piece(piece, "accounts", lambda account: account.id, lambda account: account)


@bp.route("/accounts/<account_id>")
@needs("accounts:read", platform=True)
@bp.response(200, AccountSchema)
def show(account_id: str) -> ResponseReturnValue:
    """Show an account."""
    found = catalog().accounts.find_by_id(account_id) if account_id.isalnum() else None
    if found is None:
        raise ProblemError(404, f"There is no account {account_id!r:.70}.")
    return found  # type: ignore[return-value]  # the schema makes JSON of it
