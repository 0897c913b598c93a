"""How often a tenant may be asked, and how many of its requests run at once, by its plan."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from tenantry.errors import RateLimitError
from tenantry.limits.table import BURST_SECONDS

if TYPE_CHECKING:
    from tenantry.limits.table import RateTable
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

UNLIMITED = sys.maxsize
"""Tokens of a tenant without a limit."""

_PORTION = 0.05
"""Seconds' worth of tokens that a worker takes at a time."""


class TenantLimits:
    """The limits of plans; the buckets are in a table that the machine's workers share."""

    def __init__(self, table: RateTable, settings: Settings) -> None:
        self._table = table
        self._settings = settings
        self.refused = 0
        """Times that this process has found no token left."""

    def take_tokens(self, tenant: Tenant) -> int:
        """Take a portion of the tenant's tokens for this worker; return how many.

        A portion, so that a busy worker asks the table once in a while and counts down by itself in
        between. What it has not used up does not spoil; that is a twentieth of a second's worth.

        :raises RateLimitError: There is none left.
        """
        rate = self._settings.requests_of(tenant.plan)
        if not rate:
            return UNLIMITED
        burst = max(1.0, rate * BURST_SECONDS)
        portion = max(1, int(rate * _PORTION))
        taken, seconds = self._table.take_tokens(f"tenant {tenant.id}", rate, burst, portion)
        if not taken:
            self.refused += 1
            raise RateLimitError(f"Tenant {tenant.slug!r}", max(1, math.ceil(seconds)))
        return taken

    def max_in_flight(self, tenant: Tenant) -> int:
        """Return how many of the tenant's requests a worker answers at once; 0 sets no limit."""
        return self._settings.in_flight_of(tenant.plan)
