"""The app that each tenant gets, and the hooks that Tenantry calls beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask

from shop import pages
from shop.models import db
from tenantry import init_security, provision_database

if TYPE_CHECKING:
    from tenantry import Tenant

MIGRATIONS = Path(__file__).with_name("migrations")
"""The revisions of each tenant's database; `tenantry migrate` brings them to all tenants."""

DEMONSTRATIONS = {"acme": {"name": "Acme"}, "globex": {"name": "Globex"}}
"""The sites that `tenantry init --demo` creates."""


def create_app(tenant: Tenant) -> Flask:  # noqa: ARG001 - remove the mark when the app uses it
    """Build one tenant's app. Its keys, folder and database are the tenant's from the first line."""
    app = Flask(__name__)
    init_security(app)  # security headers, and no form from another origin
    db.init_app(app)
    app.register_blueprint(pages.bp)
    return app


def provision(tenant: Tenant) -> None:
    """Make a new tenant's database. A second call changes nothing."""
    provision_database(tenant, MIGRATIONS)


def dispose(app: Flask) -> None:
    """Close what the app has open."""
    db.close(app)
