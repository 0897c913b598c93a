"""The running workers' reports as tables that fit 80 columns."""

from __future__ import annotations

import time
from itertools import zip_longest
from typing import TYPE_CHECKING

from tenantry.cli.screen import Table
from tenantry.worker import Figures
from tenantry.worker.figures import COSTS
from tenantry.worker.formatting import age, duration, next_try, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tenantry.cli.screen import Part
    from tenantry.worker import Failure, Survey, Worker

MOST = 5
"""Of the slowest and the most expensive."""

MOST_FAILURES = 20
MAX_PROBLEM = 300

NOBODY = "No worker answers: the server is not running, or uses another data folder."


def worker_parts(found: Survey) -> Iterator[Part]:
    """Yield everything that is worth a look; what there is nothing of is left out."""
    figures = Figures(found.reports)
    for pid, problem in sorted(found.troubles.items()):
        yield f"The worker with process id {pid} does not report: {problem}."
    if not found.reports:
        if not found.troubles:
            yield NOBODY
        return
    yield _work(figures.workers)
    yield _holdings(figures.workers)
    yield from _failures(figures.failures)
    yield from _slowest(figures)
    yield from _most_expensive(figures)
    yield from _leaks(figures)


def _work(workers: Sequence[Worker]) -> Table:
    counted = ("leases", "hits", "builds", "failures", "evictions")
    return Table(
        "Workers",
        ["Worker", "Pid", "Up", "Instances", "Leases", "Hits", "Builds", "Failed", "Evicted"],
        [
            [
                worker.worker,
                worker.pid,
                age(time.time() - worker.started_at),
                share(worker, "instances"),
                *(worker.count(name) for name in counted),
            ]
            for worker in workers
        ],
    )


def _holdings(workers: Sequence[Worker]) -> Table:
    return Table(
        "In use",
        ["Worker", "Memory", "Connections", "Descriptors", "Threads", "GC pause", "Refused"],
        [
            [
                worker.worker,
                f"{share(worker, 'memory_mb')} MiB",
                share(worker, "connections"),
                share(worker, "descriptors"),
                worker.threads,
                duration(worker.longest_pause),
                worker.refused,
            ]
            for worker in workers
        ],
    )


def _failures(failures: Sequence[Failure]) -> Iterator[Table]:
    if not failures:
        return
    rest = len(failures) - MOST_FAILURES
    yield Table(
        "Could not be built",
        ["Site", "Revision", "Serving", "Error", "Next try", "Worker", "Problem"],
        [
            [
                failure.slug,
                failure.revision,
                "none" if failure.serving is None else failure.serving,
                failure.error_id,
                next_try(failure.retry_in),
                failure.worker,
                failure.problem[:MAX_PROBLEM],
            ]
            for failure in failures[:MOST_FAILURES]
        ],
        note=f"And {rest} more; --json names them all." if rest > 0 else "",
    )


def _slowest(figures: Figures) -> Iterator[Table]:
    builds = figures.slowest_builds(MOST)
    if not builds:
        return
    yield Table(
        "Slowest builds",
        ["Site", "Revision", "Worker", "Took", "Of it"],
        [
            [
                build.slug,
                build.revision,
                build.worker,
                duration(build.seconds),
                ", ".join(f"{name} {duration(seconds)}" for name, seconds in build.steps),
            ]
            for build in builds
        ],
    )


def _most_expensive(figures: Figures) -> Iterator[Table]:
    columns = [
        [f"{cost.slug} {duration(getattr(cost, by))}" for cost in figures.expensive(by, MOST)]
        for by in COSTS
    ]
    rows = list(zip_longest(*columns, fillvalue=""))
    if rows:
        yield Table("Most expensive sites", ["By time", "By processor", "By database"], rows)


def _leaks(figures: Figures) -> Iterator[Table]:
    leaks = figures.leaks
    if not leaks:
        return
    now = time.time()
    rest = len(leaks) - MOST_FAILURES
    yield Table(
        "Leaked instances",
        ["Site", "For", "Worker", "Held by"],
        [
            [leak.slug, age(now - leak.since), leak.worker, leak.held_by[:MAX_PROBLEM]]
            for leak in leaks[:MOST_FAILURES]
        ],
        note=f"And {rest} more; --json names them all." if rest > 0 else "",
    )
