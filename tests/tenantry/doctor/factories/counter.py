"""Planted: a number of the module that every tenant's requests count up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant

hits = 0


def home() -> str:
    """Count."""
    global hits  # noqa: PLW0603 - that is the leak
    hits += 1
    return str(hits)


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
