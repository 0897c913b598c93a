"""Planted: a view that closes over state, made once for all tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry import Tenant


def make_search() -> Callable[[], str]:
    """Return a view that remembers what was searched for."""
    recent: list[str] = []

    def search() -> str:
        recent.append(request.args.get("q", ""))
        return f"<form action=/><input name=q></form>{len(recent)}"

    return search


search = make_search()


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=search)
    return app
