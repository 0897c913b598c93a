"""One page sends without end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry import Tenant

_never = threading.Event()


def endless() -> Iterator[str]:
    """Send a little, and then wait for ever."""
    yield "first"
    _never.wait()
    yield "last"


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: "Welcome.")
    app.add_url_rule("/endless", view_func=endless)
    return app
