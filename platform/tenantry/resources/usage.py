"""Usage of each tenant in this process: requests, wall, processor and database time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.resources.traffic import ERRORS, MILLISECONDS, class_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from tenantry.resources.traffic import Counts

MAX_TENANTS = 20_000
"""Tenants that are counted, at most; beyond, the one not seen for longest is forgotten."""


@dataclass(slots=True)
class Usage:
    """What one tenant has cost. Times in seconds."""

    slug: str
    requests: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    database: float = 0.0


class Spent(threading.local):
    """What the current request's thread has spent on its behalf, in seconds."""

    database: float = 0.0


SPENT = Spent()
"""Engines add the time of their statements; a counter takes the difference."""


class Ledger:
    """Adds up what tenants have cost, for a bounded number of them.

    :param most: Tenants that are counted, at most.
    """

    def __init__(self, most: int = MAX_TENANTS) -> None:
        self._most = most
        self._usages: OrderedDict[str, Usage] = OrderedDict()
        self._fresh: dict[str, Counts] = {}
        self._taken: Counts = [0] * (MILLISECONDS + 1)
        self._lock = threading.Lock()

    def add(
        self,
        tenant_id: str,
        slug: str,
        *,
        wall: float,
        cpu: float = 0.0,
        database: float = 0.0,
        failed: bool = False,
    ) -> None:
        """Count one request.

        :param failed: The answer was a 500 or above.
        """
        with self._lock:
            usage = self._usages.get(tenant_id)
            if usage is None:
                usage = self._usages[tenant_id] = Usage(slug)
                if len(self._usages) > self._most:
                    self._usages.popitem(last=False)
            else:
                self._usages.move_to_end(tenant_id)
                usage.slug = slug  # it can change, the id cannot
            usage.requests += 1
            usage.wall += wall
            usage.cpu += cpu
            usage.database += database
            counts = self._fresh.get(tenant_id)
            if counts is None:
                if len(self._fresh) >= self._most:
                    return  # nobody takes them, or too many came at once
                counts = self._fresh[tenant_id] = [0] * (MILLISECONDS + 1)
            counts[class_of(wall)] += 1
            counts[ERRORS] += failed
            counts[MILLISECONDS] += wall * 1000

    def take(self) -> dict[str, Counts]:
        """Return what was counted of each tenant since the last time."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
            self._taken = _sum(self._taken, *fresh.values())
        return fresh

    def totals(self) -> Counts:
        """Return what was counted of all tenants since the start; it never falls."""
        with self._lock:
            return _sum(self._taken, *self._fresh.values())

    def forget(self, tenant_ids: Collection[str]) -> None:
        """Drop what was counted of tenants that are no more."""
        with self._lock:
            for tenant_id in tenant_ids:
                self._usages.pop(tenant_id, None)
                if (fresh := self._fresh.pop(tenant_id, None)) is not None:
                    self._taken = _sum(self._taken, fresh)

    def top(self, by: str, number: int) -> list[tuple[str, Usage]]:
        """Return ids and usages of the tenants with the most *by*, a field of :class:`Usage`."""
        with self._lock:
            usages = [(tenant_id, usage) for tenant_id, usage in self._usages.items()]
        usages.sort(key=lambda pair: getattr(pair[1], by), reverse=True)
        return usages[:number]


def _sum(*counts: Counts) -> Counts:
    return [sum(column) for column in zip(*counts, strict=True)]
