"""Planted: a view imports a module when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant


def home() -> str:
    """Work with a module that nobody else needs."""
    import colorsys

    return str(colorsys.rgb_to_hls(0, 0, 0))


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
