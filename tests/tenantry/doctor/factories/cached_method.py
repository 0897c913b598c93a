"""Planted: ``lru_cache`` on a method keeps every object that it was called on, here with its app."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask

if TYPE_CHECKING:
    from tenantry import Tenant


class Shop:
    """A tenant's shop."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    @lru_cache  # noqa: B019 - that is the leak
    def total(self) -> int:
        """Return what all costs."""
        return 42


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    shop = Shop(app)
    app.add_url_rule("/", "home", lambda: str(shop.total()))
    return app
