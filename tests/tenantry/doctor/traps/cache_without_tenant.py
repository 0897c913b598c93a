"""Planted: caches whose keys do not name the tenant."""

from functools import lru_cache

from flask import Flask, request

from tenantry import current_tenant

pages: dict[str, str] = {}  # trap


@lru_cache
def footer() -> str:  # trap
    """Return what stands at the end of each page."""
    return f"Made by {current_tenant.name}"


def home() -> str:
    """Show the front page."""
    if request.path not in pages:
        pages[request.path] = f"Welcome to {current_tenant.name}. {footer()}"
    return pages[request.path]


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
