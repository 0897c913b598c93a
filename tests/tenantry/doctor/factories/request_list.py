"""Planted: what visitors send is appended to a list of the module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, request

if TYPE_CHECKING:
    from tenantry import Tenant

ORDERS: list[str] = []


def home() -> str:
    """Offer a form."""
    return "<form method=post action=/order><input name=what></form>"


def order() -> str:
    """Take an order."""
    ORDERS.append(request.form["what"])
    return "Thank you."


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/order", view_func=order, methods=["POST"])
    return app
