"""The workers' figures in Prometheus's text format, with a bounded number of series.

Labels are worker numbers and slugs from the catalog, of the most expensive sites only. Nothing that
a visitor chooses becomes a label.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from tenantry.resources.traffic import BOUNDS, CLASSES, ERRORS, MILLISECONDS
from tenantry.worker.figures import COSTS, Figures, costs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from tenantry.worker import Survey, Worker
    from tenantry.worker.figures import Cost, Report, TenantCost

CONTENT_TYPE = CONTENT_TYPE_LATEST

MOST_TENANTS = 10
"""Of each worker, by each cost: at most three times as many series of sites in each worker."""

NOW = {
    "instances": "Live instances of sites.",
    "leases": "Requests that use an instance now.",
    "builds_running": "Instances that are being built now.",
    "waiting": "Requests that wait for a build.",
    "queued": "Builds that wait for a place.",
    "backing_off": "Sites whose newest revision failed to build and waits for its next try.",
}
EVER = {
    "hits": "Requests that found their instance.",
    "builds": "Instances built.",
    "failures": "Builds that failed.",
    "timeouts": "Requests that gave up waiting for a build.",
    "refusals": "Requests refused because no instance was available.",
    "busy": "Requests refused because their site had its whole share of the threads.",
    "evictions": "Instances evicted to make room.",
    "retirements": "Instances replaced because their site had changed.",
    "disposals": "Instances disposed of.",
}
BUDGET = {
    "instances": "live instances",
    "memory_mb": "resident memory in MiB",
    "connections": "SQLite connections kept open",
    "descriptors": "file descriptors",
}
LIMITS = {
    "refused_tenant": "Requests refused because their site was above its rate.",
    "refused_client": "Requests refused because their client was above its rate.",
}
COST_HELP = {
    "wall": "time that requests took",
    "cpu": "processor time that requests took",
    "database": "time that requests waited for the database",
}


def exposition(found: Survey, node: Mapping[str, tuple[str, float]] | None = None) -> bytes:
    """Return the figures as text.

    :param node: Figures of the node by name, each with what it means.
    """
    registry = CollectorRegistry()
    registry.register(_Collector(found, node or {}))
    return generate_latest(registry)


class _Collector(Collector):
    """The families of one survey."""

    def __init__(self, found: Survey, node: Mapping[str, tuple[str, float]]) -> None:
        self._found = found
        self._node = node
        self._reports = _one_each(found.reports)
        self._workers = Figures(self._reports).workers

    def collect(self) -> Iterator[Metric]:
        yield _total("tenantry_workers", "Workers that answer.", len(self._reports))
        yield _total(
            "tenantry_workers_silent",
            "Workers that exist and do not answer.",
            len(self._found.troubles),
        )
        for name, (text, value) in self._node.items():
            yield _total(f"tenantry_{name}", text, value)
        yield from self._processes()
        yield from self._requests()
        yield from self._pool()
        yield from self._budget()
        yield from self._gc()
        yield from self._tenants()

    def _gauge(self, name: str, text: str, value: Callable[[Worker], float]) -> Metric:
        family = GaugeMetricFamily(f"tenantry_{name}", text, labels=["worker"])
        for worker in self._workers:
            family.add_metric([str(worker.worker)], value(worker))
        return family

    def _counter(self, name: str, text: str, value: Callable[[Worker], float]) -> Metric:
        family = CounterMetricFamily(f"tenantry_{name}", text, labels=["worker"])
        for worker in self._workers:
            family.add_metric([str(worker.worker)], value(worker))
        return family

    def _processes(self) -> Iterator[Metric]:
        yield self._gauge(
            "worker_start_time_seconds",
            "When the worker started, since the epoch.",
            lambda worker: worker.started_at,
        )
        yield self._gauge("worker_threads", "Threads.", lambda worker: worker.threads)

    def _requests(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "tenantry_request_seconds", "How long requests to sites took.", labels=["worker"]
        )
        counted = [worker for worker in self._workers if worker.traffic]
        for worker in counted:
            counts = list(accumulate(worker.traffic[:CLASSES]))
            bounds = [*map(str, BOUNDS), "+Inf"]
            seconds = worker.traffic[MILLISECONDS] / 1000
            family.add_metric(
                [str(worker.worker)], list(zip(bounds, counts, strict=True)), sum_value=seconds
            )
        yield family
        errors = CounterMetricFamily(
            "tenantry_request_errors", "Answers of sites with 500 or above.", labels=["worker"]
        )
        for worker in counted:
            errors.add_metric([str(worker.worker)], worker.traffic[ERRORS])
        yield errors
        yield self._gauge(
            "worker_epoch", "The newest change that the worker has seen.", lambda one: one.epoch
        )
        yield self._gauge(
            "worker_catalog_reachable",
            "Whether the catalog answered when the worker last asked.",
            lambda one: one.is_reachable,
        )

    def _pool(self) -> Iterator[Metric]:
        for name, text in NOW.items():
            yield self._gauge(f"pool_{name}", text, _counting(name))
        for name, text in EVER.items():
            yield self._counter(f"pool_{name}", text, _counting(name))
        for name, text in LIMITS.items():
            yield self._counter(name, text, _limiting(name))

    def _budget(self) -> Iterator[Metric]:
        for name, noun in BUDGET.items():
            used, limit = _budgeting(name)
            yield self._gauge(f"budget_{name}_used", f"What the worker has of {noun}.", used)
            yield self._gauge(f"budget_{name}_limit", f"What it may have of {noun}.", limit)

    def _gc(self) -> Iterator[Metric]:
        leaks = Counter(leak.worker for leak in Figures(self._reports).leaks)
        yield self._gauge(
            "gc_longest_pause_seconds",
            "The longest time for which the garbage collector stopped every thread.",
            lambda worker: worker.longest_pause,
        )
        yield self._gauge(
            "leaked_instances",
            "Leaked instances: disposed of, but still in memory.",
            lambda worker: leaks.get(worker.worker, 0),
        )

    def _tenants(self) -> Iterator[Metric]:
        for by in COSTS:
            text = f"Seconds of {COST_HELP[by]}, of each worker's most expensive sites."
            family = CounterMetricFamily(
                f"tenantry_tenant_{by}_seconds", text, labels=["worker", "tenant"]
            )
            for report in self._reports:
                for slug, seconds in _dearest(costs_of(report), by).items():
                    family.add_metric([str(report.get("worker", 0)), slug], seconds)
            yield family


def _one_each(reports: Iterable[Report]) -> list[Report]:
    """Return one report of each worker number: while one is replaced, there are two for a moment."""
    by_age = sorted(reports, key=lambda report: report.get("started_at", 0.0))
    newest = {report.get("worker", 0): report for report in by_age}
    return [newest[number] for number in sorted(newest)]


def _dearest(costs: Iterable[TenantCost], by: Cost) -> dict[str, float]:
    """Return the slugs with the highest cost. A slug can have changed hands, hence the sum."""
    added: Counter[str] = Counter()
    for cost in costs:
        added[cost.slug] += getattr(cost, by)
    return dict(added.most_common(MOST_TENANTS))


def _counting(name: str) -> Callable[[Worker], float]:
    return lambda worker: worker.count(name)


def _limiting(name: str) -> Callable[[Worker], float]:
    return lambda worker: worker.limits.get(name, 0)


def _budgeting(name: str) -> tuple[Callable[[Worker], float], Callable[[Worker], float]]:
    return lambda worker: worker.used(name), lambda worker: worker.limit(name)


def _total(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
