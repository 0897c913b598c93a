"""A guest book for each tenant: what the history checker writes to and reads.

Each entry stands in two tables that one transaction writes to, so that half a write shows. Every
second tenant gets a whole Flask app, the others a flyweight. The schema's revisions are in the
folder ``GUESTBOOK_REVISIONS``; the code gets on with each of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tenantry import Flyweight, TenantSQLAlchemy, current_tenant, init_tenant, provision_database
from tenantry.errors import PlacementError, UnknownPlacementError

if TYPE_CHECKING:
    from tenantry import Tenant

MIGRATIONS = Path(os.environ["GUESTBOOK_REVISIONS"])
RETRY_SECONDS = "1"

db = TenantSQLAlchemy()

LIST = """
    SELECT value, sum(entry), sum(echo) FROM (
        SELECT value, author, 1 AS entry, 0 AS echo FROM entry
        UNION ALL SELECT value, author, 0, 1 FROM echo
    ) AS both_tables WHERE :author IN ('', author) GROUP BY value
"""


def build() -> Flask:
    """Build an app that knows of no tenant."""
    app = Flask(__name__, static_folder=None)
    db.init_app(app)
    app.add_url_rule("/", view_func=hello)
    app.add_url_rule("/entries", view_func=read)
    app.add_url_rule("/entries", view_func=write, methods=["POST"])
    app.add_url_rule("/entries/<value>", view_func=erase, methods=["DELETE"])
    for error in (DBAPIError, PoolTimeoutError, PlacementError, UnknownPlacementError):
        app.register_error_handler(error, rest)
    app.after_request(sign)
    return app


def hello() -> str:
    """Answer the probe of a new instance."""
    return "A guest book"


def read() -> Response:
    """List each value and how often it stands in either table."""
    rows = db.session.execute(text(LIST), {"author": request.args.get("author", "")})
    return jsonify([tuple(row) for row in rows])


def write() -> tuple[str, int]:
    """Add an entry."""
    form = {"value": request.form["value"], "author": request.form["author"]}
    for table in ("entry", "echo"):
        db.session.execute(
            text(f"INSERT INTO {table} (value, author) VALUES (:value, :author)"),  # noqa: S608
            form,
        )
    db.session.commit()
    return "", 201


def erase(value: str) -> str:
    """Take an entry away."""
    for table in ("entry", "echo"):
        db.session.execute(
            text(f"DELETE FROM {table} WHERE value = :value"),  # noqa: S608
            {"value": value},
        )
    db.session.commit()
    return ""


def rest(error: Exception) -> Response:
    """Say that the database cannot be used now."""
    db.session.remove()
    return Response(f"{error}", 503, {"Retry-After": RETRY_SECONDS})


def sign(response: Response) -> Response:
    """Say whose app has answered."""
    response.headers["X-Tenant"] = current_tenant.id
    return response


_flyweight = Flyweight(build)


def prepare() -> None:
    """Build what tenants share, before the first request."""
    _flyweight.prepare()


def create_app(tenant: Tenant) -> Flask:
    """Return the tenant's app."""
    if int(tenant.id[-1], 16) % 2:
        return _flyweight.instance(tenant)
    app = build()
    init_tenant(app, tenant)
    return app


def provision(tenant: Tenant) -> None:
    """Make the tenant's database."""
    provision_database(tenant, MIGRATIONS)


def dispose(app: Any) -> None:
    """Close what the app has open."""
    db.close(app)
