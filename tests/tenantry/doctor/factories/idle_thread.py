"""Planted: each app starts a thread that holds nothing of it, and never ends either."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant

_never = threading.Event()


def wait() -> None:
    """Wait for ever."""
    _never.wait()


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "Welcome.")
    threading.Thread(target=wait, daemon=True).start()
    return app
