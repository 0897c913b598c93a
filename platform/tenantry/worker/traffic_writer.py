"""Writes what a worker has counted of its tenants' requests to the node's file, now and then."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from tenantry.resources.traffic import TrafficFile
    from tenantry.resources.usage import Ledger


class TrafficWriter:
    """Takes the ledger's fresh counts to the file.

    :param ledger: Where requests are counted.
    :param file: The node's figures.
    """

    def __init__(self, ledger: Ledger, file: TrafficFile) -> None:
        self._ledger = ledger
        self._file = file
        self._gone: set[str] = set()
        self._lock = threading.Lock()

    def forget(self, tenant_ids: Collection[str]) -> None:
        """Delete the figures of tenants that are no more, at the next write."""
        with self._lock:
            self._gone.update(tenant_ids)

    def write(self) -> None:
        """Write what is fresh. Nobody may wait for it: call it beside requests.

        :raises sqlite3.Error: The file cannot be written; what was fresh is lost.
        """
        with self._lock:
            gone, self._gone = self._gone, set()
        fresh = self._ledger.take()
        self._file.add({key: counts for key, counts in fresh.items() if key not in gone})
        for tenant_id in gone:
            self._file.forget(tenant_id)
