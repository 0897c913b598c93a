"""Planted: a cache in the module that is keyed by path alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, request

from tenantry import current_tenant

if TYPE_CHECKING:
    from tenantry import Tenant

_cache: dict[str, str] = {}


def home() -> str:
    """Show the first tenant's page to everybody."""
    return _cache.setdefault(request.path, f"Welcome to {current_tenant.name}")


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
