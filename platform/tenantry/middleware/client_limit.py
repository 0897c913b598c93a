"""Limits the request rate of each client."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tenantry.limits import client_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.limits import ClientRates
    from tenantry.ui.error_pages import Pages

_LONGEST = 64
"""Characters of an address that are looked at, and kept: a proxy may hand on anything."""

_MESSAGE = "Too many requests have come from your address."


class ClientLimit:
    """Answers 429 to an address that asks more often than its rate.

    It stands behind what corrects the address for trusted proxies. Without an address, as over some
    Unix sockets, there is no limit: everyone would share one.
    """

    def __init__(self, app: WSGIApplication, *, rates: ClientRates, pages: Pages) -> None:
        self._app = app
        self._rates = rates
        self._pages = pages

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        address = environ.get("REMOTE_ADDR")
        if not address:
            return self._app(environ, start_response)
        seconds = self._rates.take(client_of(address[:_LONGEST]))
        if not seconds:
            return self._app(environ, start_response)
        wait = max(1, math.ceil(seconds))
        return self._pages.answer(environ, start_response, 429, _MESSAGE, retry_after=wait)
