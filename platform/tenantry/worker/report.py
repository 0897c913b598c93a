"""A worker's report: one document of plain values."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog.directory import Directory
    from tenantry.limits import ClientRates
    from tenantry.pool import InstancePool
    from tenantry.resources.budget import Budget
    from tenantry.resources.gc_control import GcControl
    from tenantry.resources.usage import Ledger

MOST_EXPENSIVE = 20
"""Tenants in each list of the most expensive ones."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """Gathers the figures of one worker.

    :param worker: The worker's number, counted from 1.
    :param directory: Tells which changes the worker has seen.
    :param connections: Returns how many database connections are open.
    """

    worker: int
    pool: InstancePool[Any]
    budget: Budget
    gc_control: GcControl
    ledger: Ledger
    connections: Callable[[], int]
    clients: ClientRates
    directory: Directory
    started_at: float = field(default_factory=time.time)

    def __call__(self) -> dict[str, Any]:
        """Return the document."""
        stats = asdict(self.pool.stats())
        refused = stats.pop("limited")  # a limit's figure, like that of the clients
        return {
            "pid": os.getpid(),
            "worker": self.worker,
            "version": version("tenantry"),
            "started_at": self.started_at,
            "threads": threading.active_count(),
            "pool": stats,
            "budget": self._budget(stats["instances"]),
            "failures": [asdict(failure) for failure in self.pool.failures()],
            "slowest_builds": [asdict(build) for build in self.pool.slowest()],
            "expensive": {by: self._expensive(by) for by in ("wall", "cpu", "database")},
            "leaks": [asdict(leaked) for leaked in self.gc_control.leaked()],
            "gc": self.gc_control.figures(),
            "traffic": self.ledger.totals(),
            "epoch": self.directory.epoch,
            "is_reachable": self.directory.is_reachable,
            "limits": {
                "refused_tenant": refused,
                "refused_client": self.clients.refused,
            },
        }

    def _budget(self, instances: int) -> dict[str, tuple[float, float]]:
        budget, footprint = self.budget, self.budget.footprint()
        return {
            "instances": (instances, budget.instances),
            "memory_mb": (round(footprint.memory_mb, 1), budget.memory_mb),
            "connections": (self.connections(), budget.connections),
            "descriptors": (footprint.descriptors, budget.descriptors),
        }

    def _expensive(self, by: str) -> list[dict[str, Any]]:
        return [
            {"tenant": tenant_id, **asdict(usage)}
            for tenant_id, usage in self.ledger.top(by, MOST_EXPENSIVE)
        ]
