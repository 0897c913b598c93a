"""Planted: state in places that are easily overlooked."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from flask import Flask, request

from tenantry import Flyweight

if TYPE_CHECKING:
    from tenantry import Tenant


class Tally:
    """A number in a slot."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


tally = Tally()
numbers = count()


def default(seen: list[str] = []) -> str:  # noqa: B006 - that is the leak
    """Keep what is asked in a default."""
    seen.append(request.headers["User-Agent"])
    return f"{next(numbers)}"


def attribute() -> str:
    """Count in an attribute of the function."""
    vars(attribute)["calls"] = vars(attribute).get("calls", 0) + 1
    tally.number += 1
    return "Counted."


def build() -> Flask:
    """Build what all tenants share."""
    app = Flask(__name__)
    for view in (default, attribute):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    return app


site = Flyweight(build)


def create_app(tenant: Tenant) -> Flask:
    """Return one tenant's app."""
    return site.instance(tenant)
