"""Planted: a cache whose key does not name the tenant that the function asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from flask import Flask

from tenantry import current_tenant

if TYPE_CHECKING:
    from tenantry import Tenant


@lru_cache
def title(page: int) -> str:
    """Return a page's title."""
    return f"Page {page} of {current_tenant.slug}"


def home() -> str:
    """Show a title."""
    return title(1)


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
