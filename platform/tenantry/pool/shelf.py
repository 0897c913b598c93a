"""What the bounded cache of instances holds, under one lock, and how an instance leaves it."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from tenantry.pool.reports import PoolStats
from tenantry.resources.budget import Budget
from tenantry.resources.gc_control import GcControl

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.pool.parts import Build, Failure, Resident
    from tenantry.pool.reports import BuildReport
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

App = TypeVar("App")

UNLIMITED = 1 << 60


class Shelf(Generic[App]):
    """Instances, builds and failures; :class:`InstancePool` says what its arguments are.

    No foreign code ever runs under the lock: what has to be started or disposed of is put down under
    it and done after it.
    """

    def __init__(
        self,
        build: Callable[[Tenant], App],
        *,
        dispose: Callable[[App], None] = lambda _: None,
        probe: Callable[[App, Tenant], None] = lambda _app, _tenant: None,
        budget: Budget | None = None,
        collector: GcControl | None = None,
        idle_seconds: float = 3600,
        build_seconds: float = 4.0,
        max_waiters: int = 2,
        max_waiting: int = 3,
        share: Callable[[Tenant], int] = lambda _: UNLIMITED,
        draw: Callable[[Tenant], int] = lambda _: UNLIMITED,
        others_wait: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build = build
        self._dispose = dispose
        self._probe = probe
        self._budget = budget or Budget()
        self._collector = collector or GcControl()
        self._idle_seconds = idle_seconds
        self._build_seconds = build_seconds
        self._max_waiters = max_waiters
        self._max_waiting = max_waiting
        self._share = share
        self._draw = draw
        self._others_wait = others_wait
        self._clock = clock
        # Everything below is owned by the lock, under which no foreign code ever runs.
        self._lock = threading.Lock()
        self._residents: OrderedDict[str, Resident[App]] = OrderedDict()  # least used first
        self._builds: dict[str, Build[App]] = {}
        self._queue: OrderedDict[str, Build[App]] = OrderedDict()  # of builds without a place
        self._starting: list[Build[App]] = []  # to be started when the lock is free again
        self._failures: OrderedDict[str, Failure] = OrderedDict()
        self._retired: set[Resident[App]] = set()  # out of the cache, still on loan
        self._slowest: list[BuildReport] = []
        self._waiting = 0
        self._shed_at = 0.0  # MiB that the process took when it last gave up some
        self._short = False  # of memory or descriptors, when somebody looked last
        self._closed = False
        self._counts = dict.fromkeys(
            (
                "builds",
                "failures",
                "timeouts",
                "refusals",
                "busy",
                "limited",
                "evictions",
                "retirements",
                "disposals",
            ),
            0,
        )
        self._hits = 0

    def __repr__(self) -> str:
        stats = self.stats()
        return (
            f"<InstancePool: {stats.instances} instances, {stats.leases} leases, "
            f"{stats.builds_running} builds, {stats.backing_off} backing off>"
        )

    def __len__(self) -> int:
        return len(self._residents)

    def _held(self) -> int:
        """Return how many places are taken, those of first builds and leftovers included."""
        building = sum(
            tenant_id not in self._residents and not build.queued
            for tenant_id, build in self._builds.items()
        )
        return len(self._residents) + building + len(self._retired)

    def _leftovers(self, tenant_id: str) -> int:
        """Return how many requests still hold the tenant's older instances: they are of its share."""
        return sum(one.leases for one in self._retired if one.tenant_id == tenant_id)

    def _snapshot(self) -> list[Resident[App]]:
        """Return all instances, so that looking at each of many holds nobody up."""
        with self._lock:
            return list(self._residents.values())

    def _retire(self, resident: Resident[App]) -> bool:
        """Take an instance out of use; say whether nobody holds it any more."""
        resident.retired = True
        self._counts["retirements"] += 1
        if resident.leases:
            self._retired.add(resident)
        return not resident.leases

    def _discard(self, resident: Resident[App]) -> None:
        """Dispose of an instance that nobody can reach any more."""
        self._dispose_of(resident.instance, resident.tenant_id, resident.slug)
        with self._lock:
            self._counts["disposals"] += 1

    def _dispose_of(self, instance: App, tenant_id: str, slug: str) -> None:
        try:
            self._dispose(instance)
        except Exception:
            log.exception("disposing of an instance of %s failed", slug)
        self._collector.watch(instance, tenant_id, slug)

    def stats(self) -> PoolStats:
        """Return the counters."""
        with self._lock:
            residents = list(self._residents.values())
            retired = list(self._retired)
            counts = dict(
                self._counts,
                builds_running=len(self._builds) - len(self._queue),
                waiting=self._waiting,
                queued=len(self._queue),
                backing_off=len(self._failures),
                hits=self._hits,
            )
        leases = sum(one.leases for one in residents) + sum(one.leases for one in retired)
        return PoolStats(instances=len(residents), leases=leases, **counts)
