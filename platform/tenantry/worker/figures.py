"""The workers' reports as values.

While new code is taken, workers of two releases run side by side, and each tells what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Value = TypeVar("Value")
Report = Mapping[str, Any]
Cost = Literal["wall", "cpu", "database"]
COSTS: tuple[Cost, ...] = ("wall", "cpu", "database")


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker: what it is, what it has done, what it holds."""

    pid: int = 0
    worker: int = 0
    version: str = ""
    started_at: float = 0.0
    threads: int = 0
    pool: Mapping[str, int] = field(default_factory=dict)
    budget: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """What it uses of each kind, and the limit."""

    gc: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    traffic: Sequence[float] = ()
    """Requests by class of latency, errors, milliseconds; as in the figures of traffic."""

    epoch: int = -1
    is_reachable: bool = True

    def count(self, name: str) -> int:
        """Return one of the pool's figures."""
        return self.pool.get(name, 0)

    def used(self, name: str) -> float:
        """Return how much it uses of something that has a limit."""
        return self.budget.get(name, (0, 0))[0]

    def limit(self, name: str) -> float:
        """Return how much it may use of something."""
        return self.budget.get(name, (0, 0))[1]

    @property
    def longest_pause(self) -> float:
        """Seconds for which the garbage collector has stopped every thread, at most."""
        return self.gc.get("longest_pause", 0.0)

    @property
    def refused(self) -> int:
        """Requests that were refused because of a limit."""
        return sum(self.pool.get(name, 0) for name in ("busy", "refusals")) + sum(
            self.limits.values()
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A revision of a tenant's site that could not be built."""

    tenant: str = ""
    slug: str = ""
    revision: int = 0
    serving: int | None = None
    """Revision of the older instance that goes on serving, if there is one."""

    problem: str = ""
    error_id: str = ""
    attempts: int = 0
    retry_in: float = 0.0
    at: float = 0.0
    worker: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """A build, and where its time went."""

    tenant: str = ""
    slug: str = ""
    revision: int = 0
    at: float = 0.0
    seconds: float = 0.0
    steps: Sequence[tuple[str, float]] = ()
    worker: int = 0


@dataclass(frozen=True, slots=True)
class TenantCost:
    """What a tenant's requests have cost. Times in seconds."""

    tenant: str = ""
    slug: str = ""
    requests: int = 0
    wall: float = 0.0
    cpu: float = 0.0
    database: float = 0.0


@dataclass(frozen=True, slots=True)
class Leak:
    """An instance that was given up and does not die, and what holds it."""

    tenant: str = ""
    slug: str = ""
    since: float = 0.0
    held_by: str = ""
    worker: int = 0


class Figures:
    """What all workers have said, put together."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self._reports = reports

    @property
    def workers(self) -> list[Worker]:
        """Every worker."""
        return [_made(Worker, report) for report in self._reports]

    @property
    def failures(self) -> list[Failure]:
        """What could not be built, the latest first; a tenant may fail in several workers."""
        failures = self._parts(Failure, "failures")
        return sorted(failures, key=lambda failure: failure.at, reverse=True)

    def failures_of(self, tenant_id: str) -> list[Failure]:
        """Return one tenant's failures, the latest first."""
        return [failure for failure in self.failures if failure.tenant == tenant_id]

    def slowest_builds(self, most: int) -> list[Build]:
        """Return the slowest of all workers' builds."""
        builds = self._parts(Build, "slowest_builds")
        return sorted(builds, key=lambda build: build.seconds, reverse=True)[:most]

    def expensive(self, by: Cost, most: int) -> list[TenantCost]:
        """Return the tenants that have cost the most, added up over the workers.

        Each worker names only its own most expensive ones, so this is what they have cost at least.
        """
        added: dict[str, TenantCost] = {}
        for report in self._reports:
            for cost in costs_of(report):
                other = added.get(cost.tenant)
                added[cost.tenant] = cost if other is None else _sum(other, cost)
        costs = sorted(added.values(), key=lambda cost: getattr(cost, by), reverse=True)
        return [cost for cost in costs[:most] if getattr(cost, by) > 0]

    @property
    def leaks(self) -> list[Leak]:
        """Instances that do not die, the oldest first."""
        return sorted(self._parts(Leak, "leaks"), key=lambda leak: leak.since)

    def _parts(self, kind: type[Value], name: str) -> Iterator[Value]:
        for report in self._reports:
            for part in report.get(name) or ():
                yield _made(kind, {**part, "worker": report.get("worker", 0)})


def costs_of(report: Report) -> list[TenantCost]:
    """Return what one worker says about its most expensive tenants, each tenant once."""
    lists = report.get("expensive") or {}
    known = {part["tenant"]: part for by in COSTS for part in lists.get(by) or ()}
    return [_made(TenantCost, part) for part in known.values()]


def _made(kind: type[Value], values: Report) -> Value:
    names: Iterable[str] = (known.name for known in fields(kind))  # type: ignore[arg-type]
    return kind(**{name: values[name] for name in names if name in values})


def _sum(one: TenantCost, other: TenantCost) -> TenantCost:
    return replace(
        one,
        requests=one.requests + other.requests,
        wall=one.wall + other.wall,
        cpu=one.cpu + other.cpu,
        database=one.database + other.database,
    )
