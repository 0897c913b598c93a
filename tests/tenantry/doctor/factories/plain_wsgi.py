"""No Flask: an object with slots that keeps its words to itself, and a page that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tenantry import Tenant


class App:
    """A WSGI app."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise ValueError("it is broken")
        start("200 OK", [("Content-Type", "text/html")])
        return [f"{self.name} <a href='broken'>more</a>".encode()]


def create_app(tenant: Tenant) -> App:
    """Return one tenant's app."""
    return App(tenant.name)
