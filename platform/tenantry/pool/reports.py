"""The pool's reports: statistics, failures and slow builds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOWEST = 10
"""Builds that are told of."""


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Counters since the pool was made, and what it holds now."""

    instances: int
    leases: int
    builds_running: int
    waiting: int
    """Requests that wait for a build."""
    queued: int
    """Builds that wait for a place."""
    backing_off: int
    hits: int
    builds: int
    failures: int
    timeouts: int
    refusals: int
    busy: int
    """Requests refused because their tenant had as many in flight as it may."""
    limited: int
    """Requests refused because their tenant asks more often than it may."""
    evictions: int
    retirements: int
    disposals: int


@dataclass(frozen=True, slots=True)
class FailureReport:
    """A tenant whose newest revision could not be built."""

    tenant: str
    slug: str
    revision: int
    serving: int | None
    """Revision of the older instance that goes on serving, if there is one."""
    problem: str
    error_id: str
    attempts: int
    retry_in: float
    """Seconds until the factory may try again, at the next request."""
    at: float
    """When it failed last, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """A build that took its time."""

    tenant: str
    slug: str
    revision: int
    at: float
    """When it ended, in seconds since the epoch."""
    seconds: float
    steps: tuple[tuple[str, float], ...]


class SlowestBuilds:
    """The builds that took longest, the slowest one first."""

    def __init__(self) -> None:
        self._reports: list[BuildReport] = []

    def __iter__(self) -> Iterator[BuildReport]:
        return iter(self._reports)

    def note(self, report: BuildReport) -> None:
        """Keep the report if the build is one of the slowest."""
        reports = self._reports
        if len(reports) == SLOWEST and report.seconds <= reports[-1].seconds:
            return
        reports.append(report)
        reports.sort(key=lambda one: one.seconds, reverse=True)
        del reports[SLOWEST:]
