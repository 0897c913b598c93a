"""A factory whose page says how often its tenant's site was written to, and which rendering it is."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from flask import Flask, make_response
from sqlalchemy import text

from tenantry import TenantSQLAlchemy, init_tenant, page_cache

if TYPE_CHECKING:
    from flask import Response

    from tenantry import Tenant

RENDERING = "X-Rendering"
"""Header that is the same in all answers of one rendering."""

db = TenantSQLAlchemy(add_models_to_shell=False)


def create_app(tenant: Tenant) -> Flask:
    """Build the site."""
    app = Flask(__name__)
    init_tenant(app, tenant)
    db.init_app(app)

    @app.get("/")
    @page_cache(vary=(), hooks=False)
    def front() -> Response:
        number = db.session.execute(text("SELECT number FROM counter")).scalar_one()
        page = make_response(f"{number}\n{'Words of a page. ' * 200}")
        page.headers[RENDERING] = secrets.token_hex(8)
        return page

    @app.post("/")
    def count() -> str:
        statement = text("UPDATE counter SET number = number + 1 RETURNING number")
        number = db.session.execute(statement).scalar_one()
        db.session.commit()
        return str(number)

    return app


def dispose(app: Flask) -> None:
    """Close what the site has opened."""
    db.close(app)
