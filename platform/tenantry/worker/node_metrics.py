"""What Prometheus reads at ``/-/metrics``: the figures of all the node's workers, and its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tenantry.errors import CatalogUnavailableError
from tenantry.worker.client import survey

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.catalog.node_lease import Lease
    from tenantry.settings import Settings

log = logging.getLogger(__name__)

Totals = dict[str, tuple[str, float]]


class NodeMetrics:
    """Call it for the text. Any worker can answer: it asks the others at their sockets.

    :param lease: The node's, in a fleet.
    """

    def __init__(self, settings: Settings, catalog: Catalog, lease: Lease | None = None) -> None:
        self._folder = settings.workers_dir
        self._catalog = catalog
        self._lease = lease

    def __call__(self) -> bytes:
        from tenantry.worker.exposition import exposition  # noqa: PLC0415 - few nodes are scraped

        return exposition(survey(self._folder), self._node() | self._jobs())

    def _node(self) -> Totals:
        epoch = self._catalog.store.signal.cell[0]
        found = {"node_epoch": ("The newest change that the node knows of.", float(epoch))}
        if self._lease is not None:
            found |= {
                "node_lease_valid": (
                    "Whether the node has reached the catalog within its lease.",
                    float(self._lease.is_valid),
                ),
                "node_drained": (
                    "Whether an operator wants no more visitors here.",
                    float(self._lease.is_drained),
                ),
            }
        return found

    def _jobs(self) -> Totals:
        """Return the figures of the queue; none if the catalog does not answer."""
        try:
            queued, running = self._catalog.jobs.count_open()
            since = self._catalog.jobs.find_waiting_since()
            moment = self._catalog.jobs.clock()
        except CatalogUnavailableError as error:
            log.warning("the figures of jobs cannot be read: %s", error)
            return {}
        waited = 0.0 if since is None else max(0.0, (moment - since).total_seconds())
        return {
            "jobs_queued": ("Jobs that wait for a worker or for their time.", queued),
            "jobs_running": ("Jobs that run.", running),
            "jobs_waiting_seconds": ("How long the oldest job that could run waits.", waited),
        }
