"""Operators see the backups of a site, and restore one: in place, or beside as a new site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog
from backend_app.operations import find_url
from tenantry.lifecycle.backup import list_backups, read_listed
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.lifecycle.tenant_paths import TenantPaths

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("backups", __name__)

MOST = 50


@bp.get("/tenants/<slug>/backups")
@open_to(OPERATORS)
def index(slug: str) -> ResponseReturnValue:
    """List a site's newest backups."""
    row = catalog().tenants.get_row(slug)
    paths = list_backups(TenantPaths(row.tenant, backend().settings))
    offered = {
        name: OPERATIONS[name].is_offered(row)
        for name in ("backup", "verify", "drill", "restore", "restore-beside")
    }
    return render_template(
        "backend/backups.html",
        row=row,
        backups=read_listed(paths[:MOST]),
        most=MOST,
        offered=offered,
        url_of=lambda name, **query: find_url(OPERATIONS[name], slug, **query),
    )
