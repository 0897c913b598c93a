"""Planted: a receiver for one app alone, which the signal keeps although ``dispose`` disconnects it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, request_started

if TYPE_CHECKING:
    from tenantry import Tenant


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "Welcome.")

    def count(_sender: Flask, **_facts: Any) -> None:
        app.extensions["requests"] = app.extensions.get("requests", 0) + 1

    request_started.connect(count, sender=app, weak=False)
    app.extensions["count"] = count
    return app


def dispose(app: Flask) -> None:
    """Disconnect the receiver, but only for this sender: blinker then keeps it."""
    request_started.disconnect(app.extensions["count"], sender=app)
