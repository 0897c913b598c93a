"""Planted: a mutable default in a class, and an object of the module that remembers the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flask import Flask, request

if TYPE_CHECKING:
    from tenantry import Tenant


class Cart:
    """A cart that all share."""

    items: ClassVar[list[str]] = []
    last = ""


cart = Cart()


def home() -> str:
    """Put something into the cart."""
    if "what" in request.args:
        cart.items.append("one more")
        cart.last = request.args["what"]
    return "<form action=/><input name=what></form>"


def create_app(_tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
