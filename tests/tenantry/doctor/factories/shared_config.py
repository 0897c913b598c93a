"""A list inside the configuration of flyweights: each of them has its own copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, current_app

from tenantry import Flyweight

if TYPE_CHECKING:
    from tenantry import Tenant


def home() -> str:
    """Add to a menu."""
    current_app.config["MENU"].append("one more")
    return "Welcome."


def build() -> Flask:
    """Build what all tenants share."""
    app = Flask(__name__)
    app.config["MENU"] = []
    app.add_url_rule("/", view_func=home)
    return app


site = Flyweight(build)


def create_app(tenant: Tenant) -> Flask:
    """Return one tenant's app."""
    return site.instance(tenant)
