"""Operators see the backups of a site, and restore one: in place, or beside as a new site."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from flask import Blueprint, render_template

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog
from backend_app.operations import find_url
from tenantry.lifecycle.backup import read_backups
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.lifecycle.tenant_paths import backups_dir

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("backups", __name__)

MOST = 50


@bp.get("/tenants/<slug>/backups")
@open_to(OPERATORS)
def index(slug: str) -> ResponseReturnValue:
    """List a site's newest backups."""
    row = catalog().tenants.get_row(slug)
    home = backups_dir(backend().settings) / f"t_{row.tenant.id}"
    offered = {
        name: OPERATIONS[name].is_offered(row) for name in ("backup", "restore", "restore-beside")
    }
    return render_template(
        "backend/backups.html",
        row=row,
        backups=list(islice(read_backups(home), MOST)),
        most=MOST,
        offered=offered,
        url_of=lambda name, **query: find_url(OPERATIONS[name], slug, **query),
    )
