"""What the first request of a tenant that a worker has never seen costs more than a later one.

Through the whole front door: the host is looked up in the catalog, the instance is built in its thread,
the database is opened, the page is made. Once with the site as a flyweight, once as a full app for each
tenant, in alternating rounds in one process.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tenants
from bench.world import full_site, open_world, settings_in, visits
from tenantry.catalog.directory import Directory
from tenantry.databases.engines import ENGINES
from tenantry.dispatch import build_door
from tenantry.pool import InstancePool
from tenantry.resources.gc_control import GcControl

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings

ROUNDS = int(os.environ.get("ROUNDS", "6"))
VISITED = int(os.environ.get("VISITED", "25"))
HOT = 5


def main() -> int:
    """Measure both kinds; print a table and one line of JSON."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="tenantry-cold-") as folder:
        settings = settings_in(Path(folder))
        catalog = open_world(settings, tenants=1000)
        environs = _front_pages()
        _provision(settings, catalog, environs)
        builders = {
            "flyweight": partial(tenants.create_app, settings=settings),
            "full": partial(full_site, settings=settings),
        }
        extra: dict[str, list[float]] = {"flyweight": [], "full": []}
        hot: dict[str, list[float]] = {"flyweight": [], "full": []}
        for build in builders.values():  # prototypes and statements are made once per process
            _round(settings, catalog, build, environs)
        for _ in range(ROUNDS):
            for name, build in builders.items():
                for first, later in _round(settings, catalog, build, environs):
                    extra[name].append((first - later) * 1000)
                    hot[name].append(later * 1000)
        catalog.close()
    print(f"{'':12} {'p50 ms':>8} {'p90 ms':>8} {'hot ms':>8}   over {ROUNDS * VISITED} tenants")
    for name, values in extra.items():
        p90 = statistics.quantiles(values, n=10)[8]
        middle = statistics.median(hot[name])
        print(f"{name:12} {statistics.median(values):8.2f} {p90:8.2f} {middle:8.2f}")
    flyweight, full = (statistics.median(extra[name]) for name in ("flyweight", "full"))
    result = {
        "flyweight_ms": round(flyweight, 3),
        "full_ms": round(full, 3),
        "ratio": round(full / flyweight, 1),
    }
    print(json.dumps(result))
    return 0


def _round(
    settings: Settings, catalog: Catalog, build: Any, environs: list[WSGIEnvironment]
) -> list[tuple[float, float]]:
    """Visit some tenants in a new worker's state; return each first time with a later one."""
    directory = Directory(catalog, domain=settings.domain)
    collector = GcControl()
    pool: InstancePool[Any] = InstancePool(build, dispose=tenants.dispose, gc_control=collector)
    door = build_door(
        settings=settings, directory=directory, pool=pool, front=_nothing, backend=_nothing
    )
    times = []
    collector.freeze()  # as a worker does when it has loaded
    for environ in environs:
        first = _serve(door, environ)
        later = statistics.median(_serve(door, environ) for _ in range(HOT))
        times.append((first, later))
    pool.close()
    ENGINES.clear()
    return times


def _front_pages() -> list[WSGIEnvironment]:
    """Return a request to each tenant that is visited."""
    asked = visits(tenants=1000, visited=VISITED * 2, requests=2000)
    fronts = {environ["HTTP_HOST"]: environ for environ in asked if environ["PATH_INFO"] == "/"}
    return list(fronts.values())[:VISITED]


def _serve(door: WSGIApplication, environ: WSGIEnvironment) -> float:
    seen: list[str] = []

    def start(status: str, _headers: Any, _exc_info: Any = None) -> Any:
        seen.append(status)

    copy = dict(environ)
    started = time.perf_counter()
    body = door(copy, start)
    for _ in body:
        pass
    body.close()  # type: ignore[attr-defined]
    taken = time.perf_counter() - started
    assert seen == ["200 OK"], seen
    return taken


def _nothing(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


def _provision(settings: Settings, catalog: Catalog, environs: list[WSGIEnvironment]) -> None:
    """Give each tenant a database of its own: SQLite makes the log of each when it is opened."""
    first, *others = [
        catalog.tenants.get(environ["HTTP_HOST"].partition(".")[0]) for environ in environs
    ]
    tenants.provision(first, settings)
    tenants.demonstrate(first, settings)
    for tenant in others:
        shutil.copytree(settings.tenant_dir(first.id), settings.tenant_dir(tenant.id))


if __name__ == "__main__":
    sys.exit(main())
