"""One search over what operators look for: sites, their hosts, and accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from backend_app.access import OPERATORS, open_to
from backend_app.context import catalog
from backend_app.tables import TableQuery
from tenantry.catalog import TenantFilter

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("finding", __name__)

MOST = 8
"""Found things of a kind that are shown; their own list shows all."""


@bp.get("/find")
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Show the sites and accounts that fit, the first few of each."""
    query = TableQuery.from_request()
    if not query.search:
        return render_template("backend/find.html", query=query, sites=None, holders=None)
    return render_template(
        "backend/find.html",
        query=query,
        sites=catalog().listings.tenants(TenantFilter(search=query.search), size=MOST),
        holders=catalog().listings.accounts(search=query.search, size=MOST),
    )
