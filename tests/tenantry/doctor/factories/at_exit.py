"""Planted: each app is left for the end of the process."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant


def close(app: Flask) -> None:
    """Say goodbye."""
    app.logger.info("closed")


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "Welcome.")
    atexit.register(close, app)
    return app
