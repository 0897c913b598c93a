"""Planted: each app starts a thread that holds it and never ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant

_never = threading.Event()


def poll(app: Flask) -> None:
    """Wait for ever, for an app."""
    _never.wait()
    app.logger.info("something came")


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "Welcome.")
    threading.Thread(target=poll, args=(app,), name="poller", daemon=True).start()
    return app
