"""How often one client may ask, whichever sites it asks for."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from tenantry.limits import BURST_SECONDS, client_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.limits import RateTable
    from tenantry.ui.error_pages import Pages

log = logging.getLogger(__name__)

_LONGEST = 64
"""Characters of an address that are looked at, and kept: a proxy may hand on anything."""

_MESSAGE = "Too many requests have come from your address."


class ClientLimit:
    """Answers 429 to an address that asks more often than *rate* times a second.

    It stands behind what corrects the address for trusted proxies. Without an address, as over some
    Unix sockets, there is no limit: everyone would share one.

    :param table: Counts for all workers of the machine.
    """

    def __init__(
        self, app: WSGIApplication, *, table: RateTable, rate: float, pages: Pages
    ) -> None:
        self._app = app
        self._table = table
        self._rate = rate
        self._burst = max(1.0, rate * BURST_SECONDS)
        self._pages = pages
        self.refused = 0
        """Requests that this process has refused."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        address = environ.get("REMOTE_ADDR")
        if not address:
            return self._app(environ, start_response)
        client = client_of(address[:_LONGEST])
        taken, seconds = self._table.take_tokens(f"client {client}", self._rate, self._burst)
        if taken:
            return self._app(environ, start_response)
        self.refused += 1
        self._tell(client)
        wait = max(1, math.ceil(seconds))
        return self._pages.answer(environ, start_response, 429, _MESSAGE, retry_after=wait)

    def _tell(self, client: str) -> None:
        """Log it: once in ten seconds per client, and a line a second if there are very many."""
        take = self._table.take_tokens
        if take(f"told of {client}", 0.1, 1)[0] and take("told", 1, 10)[0]:
            log.warning(
                "answered 429: client %r asks more than %g times a second; if this is a proxy of "
                "yours, TENANTRY_TRUSTED_PROXIES is not right",
                client,
                self._rate,
            )
