"""How long a new site takes: from `create_tenant` to its first page, beside replaying all migrations.

Both ways do the same work around the schema: the catalog's rows with their audit, the database, the
instance, the page through the whole front door. One copies the template (SQLite) or runs its statements
in one message (PostgreSQL); the other runs every revision on the new database. The history that is
replayed is the benchmark's own, of 20 revisions, each small: the bundled site's first revision, and
nineteen more, of which four change a column and the others add columns, tables and indexes
(bench/history.py). Two years of a site are hardly less.

The ways take turns, tenant by tenant, in one process. The template is made before.
"""

from __future__ import annotations

import json
import logging
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug.test import create_environ

import tenants
from bench.history import write_history
from bench.postgres import server
from bench.world import DOMAIN, open_world
from tenantry.catalog import SYSTEM
from tenantry.catalog.directory import Directory
from tenantry.databases.engines import ENGINES
from tenantry.databases.placements import tenant_database
from tenantry.dispatch import build_door
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.migrations import load_history, provision_database, upgrade
from tenantry.pool import InstancePool
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

ROUNDS = int(os.environ.get("N", "40"))


def main() -> int:
    """Measure each kind of placement; print a table and one line of JSON."""
    logging.disable(logging.WARNING)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="tenantry-provision-") as name, server() as url:
        folder = Path(name)
        history = write_history(folder / "history")
        kinds = {"sqlite": "sqlite"} | ({"postgresql": url} if url else {})
        print(f"{'':24} {'p50 ms':>8} {'p90 ms':>8}   over {ROUNDS} tenants")
        for kind, address in kinds.items():
            settings = load_settings(
                domain=DOMAIN,
                data_dir=folder / kind,
                access_log="off",
                secret_keys=("benchmark-" * 4,),
                databases={"local": address},
            )
            for way, values in _measure(settings, history).items():
                p50 = statistics.median(values)
                p90 = statistics.quantiles(values, n=10)[8]
                label = f"{kind} {way}".strip()
                print(f"{label:24} {p50:8.2f} {p90:8.2f}")
                result[f"{kind}_{way}_ms" if way else f"{kind}_ms"] = round(p50, 2)
        for kind in kinds:
            ratio = result[f"{kind}_replay_ms"] / result[f"{kind}_ms"]
            result[f"{kind}_ratio"] = round(ratio, 1)
    print(json.dumps(result))
    return 0


def _measure(settings: Settings, history: Path) -> dict[str, list[float]]:
    catalog = open_world(settings, tenants=1000)
    ways: dict[str, Callable[[Tenant], None]] = {
        "": partial(_from_template, settings=settings, history=history),
        "replay": partial(_by_replaying, settings=settings, history=history),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    build = partial(tenants.create_app, settings=settings)
    pool: InstancePool[Any] = InstancePool(build, dispose=tenants.dispose)
    directory = Directory(catalog, domain=settings.domain)
    door = build_door(
        settings=settings, directory=directory, pool=pool, front=_nothing, backend=_nothing
    )
    for number in range(ROUNDS + 2):
        for way, provision in ways.items():
            factory = Factory(build=build, provision=provision, find_migrations=lambda: history)
            slug = f"new-{way or 'copy'}-{number}"
            started = time.perf_counter()
            Operations(catalog, factory, settings=settings, actor=SYSTEM).create(slug, name=slug)
            _visit(door, slug)
            if number >= 2:  # templates, prototypes and statements are made once
                times[way].append((time.perf_counter() - started) * 1000)
    pool.close()
    catalog.close()
    ENGINES.clear()
    return times


def _visit(door: WSGIApplication, slug: str) -> None:
    seen: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None) -> Any:
        seen.append(status)

    body = door(create_environ(base_url=f"http://{slug}.{DOMAIN}:8000/"), start)
    for _ in body:
        pass
    body.close()  # type: ignore[attr-defined]
    assert seen == ["200 OK"], seen


def _from_template(tenant: Tenant, *, settings: Settings, history: Path) -> None:
    provision_database(tenant, settings, history)


def _by_replaying(tenant: Tenant, *, settings: Settings, history: Path) -> None:
    database = tenant_database(tenant, settings)
    database.create()
    upgrade(database, load_history(history))


def _nothing(_environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("404 Not Found", [])
    return []


if __name__ == "__main__":
    sys.exit(main())
