"""The sites whose databases are gone, for the dashboard: searched now and then, not for each page."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tenantry.lifecycle.missing_databases import MissingDatabases

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.lifecycle import Operations

LOOK_SECONDS = 30.0
MOST_LOOKED_AT = 5_000
"""A look at so many files takes a tenth of a second of processor time, once in so many seconds."""


class LostSitesWatch:
    """Remembers for a moment which sites were lost: one request searches, the others do not wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._found = MissingDatabases()
        self._look_at = float("-inf")

    def find(self, operations: Operations) -> MissingDatabases:
        """Return what is known now."""
        if self._clock() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._found = operations.find_missing_databases(most=MOST_LOOKED_AT)
                self._look_at = self._clock() + LOOK_SECONDS
            finally:
                self._lock.release()
        return self._found
