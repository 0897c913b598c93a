"""Planted: a table of apps by tenant, from which ``dispose`` takes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant

APPS: dict[str, Flask] = {}


def create_app(tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = APPS[tenant.id] = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "Welcome.")
    return app
