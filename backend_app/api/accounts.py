"""Accounts of the platform: list and show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marshmallow import fields, validate

from backend_app.api.access import needs
from backend_app.api.blueprint import Blueprint
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
        metadata=told("Part of an address or a name."),
    )
    operators = fields.Boolean(
        load_default=False,
        truthy={"true"},
        falsy={"false"},
        metadata=told("Only operators."),
    )


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
