"""How often one client may ask, whichever sites it asks for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tenantry.limits.table import BURST_SECONDS

if TYPE_CHECKING:
    from tenantry.limits.table import RateTable

log = logging.getLogger(__name__)


class ClientRates:
    """The clients' buckets in a table that the machine's workers share.

    :param rate: Requests a second of one client; 0 sets no limit.
    """

    def __init__(self, table: RateTable, rate: float) -> None:
        self._table = table
        self.rate = rate
        self._burst = max(1.0, rate * BURST_SECONDS)
        self.refused = 0
        """Requests that this process has refused."""

    def take(self, client: str) -> float:
        """Take one token of the client's; return 0, or the seconds until there is one again."""
        taken, seconds = self._table.take_tokens(f"client {client}", self.rate, self._burst)
        if taken:
            return 0.0
        self.refused += 1
        self._tell(client)
        return max(seconds, 0.001)

    def _tell(self, client: str) -> None:
        """Log it: once in ten seconds per client, and a line a second if there are very many."""
        take = self._table.take_tokens
        if take(f"told of {client}", 0.1, 1)[0] and take("told", 1, 10)[0]:
            log.warning(
                "answered 429: client %r asks more than %g times a second; if this is your "
                "proxy, set TENANTRY_TRUSTED_PROXIES",
                client,
                self.rate,
            )
