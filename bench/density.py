"""How much memory a live tenant takes: as a flyweight, and as a full app of its own.

``N=100000 make bench-density`` for more tenants. Each tenant has a folder of its own, with hard links
to one database file: the process is measured, and a hundred thousand copies would only fill the disk.
Each tenant serves its front page once, through its own app on loan from the pool, before it counts as
live. *Pause* is how long a full collection stops the process at the end, *own pause* the longest one
that freezing has cost on the way.
"""

from __future__ import annotations

import ctypes
import gc
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.test import EnvironBuilder, run_wsgi_app

import tenants
from bench.world import full_site
from tenantry.databases.engines import ENGINES
from tenantry.pool import InstancePool
from tenantry.resources.budget import Budget
from tenantry.resources.gc_control import GcControl
from tenantry.settings import Settings
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

KIB = 1024
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // KIB
FULL = int(os.environ.get("FULL", "200"))
"""Full instances to measure: beyond, each costs the same, and 10,000 would need gigabytes."""


def main() -> int:
    """Measure both kinds, print a table and one line of JSON."""
    number = int(os.environ.get("N", "10000"))
    with tempfile.TemporaryDirectory(prefix="tenantry-density-") as folder:
        settings = Settings(
            data_dir=Path(folder),
            secret_keys="k" * 32,  # type: ignore[arg-type]
            access_log="off",
        )
        first = _tenant(0)
        tenants.provision(first, settings)
        tenants.demonstrate(first, settings)
        (settings.data_dir / "tenants").mkdir(exist_ok=True)
        for index in range(1, max(number, FULL) + 1):
            _link_database(settings.tenant_dir(first.id), settings.tenant_dir(_tenant(index).id))
        # Each in a process of its own: what one kind frees, the other would use without growth.
        flyweight = _apart(lambda: _measure(lambda one: tenants.create_app(one, settings), number))
        full = _apart(lambda: _measure(lambda one: full_site(one, settings), FULL))
    print(
        f"{'':12} {'tenants':>9} {'KiB each':>9} {'first ms':>9} {'pause ms':>9} {'own pause':>10} "
        f"{'open files':>11}"
    )
    for name, row in (("full app", full), ("flyweight", flyweight)):
        print(
            f"{name:12} {row['tenants']:9} {row['kib']:9.2f} {row['first_ms']:9.2f} "
            f"{row['pause_ms']:9.1f} {row['own_pause_ms']:10.1f} {row['engines']:11}"
        )
    print(f"resident with {number} flyweights: {flyweight['rss_mib']:.0f} MiB")
    result = {
        "flyweight_kib": round(flyweight["kib"], 2),
        "full_kib": round(full["kib"], 1),
        "ratio": round(full["kib"] / flyweight["kib"], 1),
        "pause_ms": round(flyweight["pause_ms"], 1),
        "own_pause_ms": round(flyweight["own_pause_ms"], 1),
        "full_pause_ms": round(full["pause_ms"], 1),
        "tenants": number,
        "rss_mib": round(flyweight["rss_mib"]),
    }
    print(json.dumps(result))
    return 0


def _link_database(original: Path, folder: Path) -> None:
    folder.mkdir()
    for file in original.glob("*.sqlite3"):
        (folder / file.name).hardlink_to(file)


def _apart(task: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run *task* in a forked child and return what it found."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(task()))
    child.start()
    sender.close()
    found: dict[str, Any] = receiver.recv()
    child.join()
    return found


def _measure(build: Callable[[Tenant], Flask], number: int) -> dict[str, Any]:
    _serve(build(_tenant(0)))  # prototypes, templates and statements are made once
    ENGINES.clear()
    collector = GcControl()
    pool: InstancePool[Flask] = InstancePool(
        build, budget=Budget(instances=number, memory_mb=1 << 20), gc_control=collector
    )
    collector.begin()  # as a worker does when it has loaded
    before = _resident_kib()
    started = time.perf_counter()
    for index in range(1, number + 1):
        with pool.acquire(_tenant(index)) as lease:
            _serve(lease.instance)
        if index % 5000 == 0 and sys.stderr.isatty():
            print(f"  {index} live", file=sys.stderr)
    seconds = time.perf_counter() - started
    engines = len(ENGINES)
    ENGINES.clear()  # database handles are counted apart
    ctypes.CDLL(None).malloc_trim(0)  # and so is what they leave in the allocator
    own_pause = collector.longest_pause
    collector.tend()  # as a worker does every few seconds
    assert pool.stats().instances == number
    return {
        "tenants": number,
        "kib": (_resident_kib() - before) / number,
        "first_ms": seconds / number * 1000,
        "pause_ms": _longest_pause(),
        "own_pause_ms": own_pause * 1000,
        "engines": engines,
        "rss_mib": _resident_kib() / KIB,
    }


def _tenant(index: int) -> Tenant:
    return Tenant(id=f"{index:032x}", slug=f"site{index}", name=f"Site {index}")


def _serve(app: Flask) -> None:
    environ = EnvironBuilder(path="/", base_url="http://site.localhost:8000").get_environ()
    body, status, _ = run_wsgi_app(app, environ, buffered=True)
    assert status.startswith("200"), status
    list(body)


def _longest_pause() -> float:
    """Return the milliseconds that a full collection stops the process, the worst of five."""
    pauses = []
    for _ in range(5):
        started = time.perf_counter()
        gc.collect()
        pauses.append((time.perf_counter() - started) * 1000)
    return max(pauses)


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


if __name__ == "__main__":
    sys.exit(main())
