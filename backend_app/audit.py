"""The audit trail of the whole platform, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from backend_app.access import OPERATORS, open_to
from backend_app.context import catalog
from backend_app.tables import TableQuery

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("audit", __name__)

PAGE_SIZE = 50


@bp.get("/audit")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show a page of it."""
    query = TableQuery.from_request()
    return render_template(
        "backend/audit.html", events=catalog().audit.list(page=query.page, size=PAGE_SIZE)
    )
