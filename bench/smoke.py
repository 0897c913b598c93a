"""Runs every benchmark at its smallest size: a benchmark that no longer runs is a broken test.

Each must end well and print a line of JSON at its end, with the figures that docs/performance.md
names. The figures themselves mean nothing at this size, so as many run at once as there are
processors. One that fails in company runs once more by itself at the end: some measure for a
second, in which a neighbour may have taken both processors. The last line says how many ran and
failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 400
"""For one benchmark, on a busy machine."""


@dataclass(frozen=True)
class Benchmark:
    """A benchmark's file name, the variables that make it small, and the figures that it prints."""

    name: str
    keys: tuple[str, ...]
    small: dict[str, str] = field(default_factory=dict)


BENCHMARKS = (
    Benchmark("cli", ("list_s", "imports_s", "ratio"), {"ROUNDS": "1"}),
    Benchmark(
        "dispatch",
        ("dispatch_us", "door_us", "recipe_us", "ratio", "door_ratio"),
        {"ROUNDS": "20", "TENANTS": "200"},
    ),
    Benchmark("cold", ("flyweight_ms", "full_ms", "ratio"), {"ROUNDS": "1", "VISITED": "5"}),
    Benchmark(
        "density", ("flyweight_kib", "full_kib", "ratio", "pause_ms"), {"N": "50", "FULL": "20"}
    ),
    Benchmark("serve", ("platform_rps", "bare_rps", "ratio"), {"ROUNDS": "1", "SECONDS": "1"}),
    Benchmark(
        "neighbour",
        ("slow_build", "cold_storm", "hammered", "recipe_hammered", "hot_failed"),
        {"ROUNDS": "1", "SECONDS": "1"},
    ),
    Benchmark(
        "flood",
        (
            "growth_mb",
            "hot_p99_ratio",
            "catalog_queries",
            "bucket_bound",
            "unknown_cost_ratio",
            "health_cost_ratio",
        ),
        {"N": "200", "PARTS": "1", "QUIET_SECONDS": "1"},
    ),
    Benchmark(
        "databases",
        ("connections", "pool_size", "ratio"),
        {"TENANTS": "20", "ROUNDS": "1", "SECONDS": "0.2"},
    ),
    Benchmark(
        "migrate",
        ("sqlite_ratio", "postgresql_ratio", "noop_s"),
        {"N": "10", "SAMPLE": "2", "SHELL_SAMPLE": "1"},
    ),
    Benchmark(
        "provision",
        ("sqlite_ms", "sqlite_ratio", "postgresql_ms", "postgresql_ratio"),
        {"N": "2"},
    ),
    Benchmark(
        "ask",
        ("ask_us", "health_us", "ask_ratio", "unknown_ratio", "down_ok"),
        {"N": "200", "ROUNDS": "1", "SECONDS": "1"},
    ),
    Benchmark(
        "signup",
        ("sqlite_ms", "postgresql_ms", "hot_page_ms", "hot_p99_ratio"),
        {"ROUNDS": "2", "N": "8"},
    ),
    Benchmark(
        "adopt",
        ("full_kib", "flyweight_kib", "full_ms", "flyweight_ms", "pin_us"),
        {"N": "20", "FULL": "5", "ROUNDS": "2"},
    ),
    Benchmark("extensions", ("full", "flyweight", "named")),
    Benchmark(
        "jobs",
        ("jobs_s", "jobs_ratio", "start_ms", "idle_cpu", "fair_ms", "fair_ratio", "lost"),
        {"N": "40", "QUEUED": "100", "KILL_SECONDS": "2", "STARTS": "3"},
    ),
    Benchmark(
        "page",
        ("bare_rps", "platform_rps", "cached_rps", "not_modified_rps", "nginx_rps", "cached_ratio"),
        {"ROUNDS": "1", "SECONDS": "1"},
    ),
    Benchmark(
        "search",
        ("sqlite_ratio", "postgresql_ratio", "sqlite_ms", "postgresql_ms"),
        {"N": "200", "ROUNDS": "1"},
    ),
    Benchmark("weight", ("kib", "requests", "fcp_ratio"), {"ROUNDS": "1"}),
    Benchmark(
        "console",
        (
            "list_ratio",
            "filtered_ratio",
            "search_ratio",
            "site_ratio",
            "overview_ratio",
            "bytes_year",
        ),
        {"N": "300", "ROUNDS": "2"},
    ),
    Benchmark("fresh", ("stale", "hit"), {"SECONDS": "2"}),
    Benchmark(
        "fleet",
        (
            "stale_after_suspend",
            "suspend_p95_ms",
            "suspend_p95_ratio",
            "feed_idle_tps_per_node",
            "listen_connections_per_node",
        ),
        {"N": "4", "IDLE_SECONDS": "2"},
    ),
    Benchmark(
        "catalog",
        (
            "run_begin_s",
            "slowest_s",
            "search_ratio",
            "create_ratio",
            "worker_start_ratio",
            "claim_ratio",
        ),
        {"CATALOG_TENANTS": "2000", "ROUNDS": "2"},
    ),
    Benchmark(
        "spectators",
        ("p99_ms", "watched_p99_ms", "p99_ratio", "question_ms"),
        {"PAGES": "10", "ROUNDS": "1", "SECONDS": "3", "RATE": "10"},
    ),
    Benchmark("move", ("refused_s", "peer_refused_s", "ratio"), {"N": "500"}),
)


def problem(benchmark: Benchmark) -> str | None:
    """Run a benchmark; return what is wrong with it."""
    command = [sys.executable, str(HERE / f"{benchmark.name}.py")]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **benchmark.small},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {SECONDS} s"
    if done.returncode:
        return f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
    lines = done.stdout.strip().splitlines()
    try:
        figures = json.loads(lines[-1])
        missing = [key for key in benchmark.keys if not isinstance(figures.get(key), (int, float))]
    except (IndexError, ValueError, AttributeError):
        return f"its last line is no JSON object: {lines[-1:]}"
    return f"it does not print {', '.join(missing)}" if missing else None


def unnamed() -> list[str]:
    """Return the targets of the Makefile that are no benchmark of the list, or the other way round."""
    makefile = (HERE.parent / "Makefile").read_text()
    targets = {
        line.partition(":")[0].removeprefix("bench-")
        for line in makefile.splitlines()
        if line.startswith("bench-")
    }
    return sorted((targets - {"smoke"}) ^ {benchmark.name for benchmark in BENCHMARKS})


def run(benchmark: Benchmark) -> bool:
    """Run a benchmark and print a line about it; return whether it failed."""
    started = time.perf_counter()
    found = problem(benchmark)
    seconds = time.perf_counter() - started
    print(f"{benchmark.name:12}{seconds:6.1f} s  {found or 'ok'}\n", end="", flush=True)
    return found is not None


def main() -> int:
    """Run all; the exit code says whether each one did."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        crowded = list(pool.map(run, BENCHMARKS))
    again = [benchmark for benchmark, bad in zip(BENCHMARKS, crowded, strict=True) if bad]
    failed = sum(run(benchmark) for benchmark in again)
    for name in unnamed():
        failed += 1
        print(f"{name:12} stands only in one of bench/smoke.py and the Makefile")
    print(f"{len(BENCHMARKS)} benchmarks, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
