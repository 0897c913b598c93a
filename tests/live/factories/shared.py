"""A factory with flyweights of its own, each made for the first tenant that needs it.

It has no ``prepare``: the prototype of a tenant whose slug begins with ``first-`` is made while the
worker serves others. All others get a plain app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask

from tenantry import Flyweight

if TYPE_CHECKING:
    from tenantry import Tenant


BALLAST = [[number] for number in range(300_000)]
"""As many objects as a large app has: a search of them all takes a while."""


def _build() -> Flask:
    app = Flask("shared", static_folder=None)
    app.add_url_rule("/", "home", lambda: "shared")
    return app


def create_app(tenant: Tenant) -> Any:
    """Make the tenant's app: the only flyweight of a new prototype, or a plain one."""
    if tenant.slug.startswith("first-"):
        return Flyweight(_build).instance(tenant)
    app = Flask("plain", static_folder=None)
    app.add_url_rule("/", "home", lambda: "plain")
    return app
