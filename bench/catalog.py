"""Whether the catalog stays fast with many tenants: what a million cost beside a thousand.

    make bench-catalog                              # 20,000 tenants
    CATALOG_TENANTS=1000000 make bench-catalog      # so many

Two catalogs on PostgreSQL, one with 1,000 tenants. In each, tenants are made, the public list of sites
is searched, a worker reads what it reads at its start, and a migration run over all tenants begins. The
last line is JSON: `run_begin_s` are the seconds until the large run has begun, `slowest_s` those of its
slowest statement, and the ratios are times with many tenants in times of those with 1,000.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import event, make_url, text, update

from bench.postgres import catalog_server
from bench.world import DOMAIN, open_world
from tenantry.catalog import SYSTEM
from tenantry.catalog.directory import Directory
from tenantry.catalog.engine import WRITE
from tenantry.catalog.models import TenantRecord
from tenantry.catalog.served_hosts import ServedHosts
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.catalog import Catalog

TENANTS = int(os.environ.get("CATALOG_TENANTS", "20000"))
ROUNDS = int(os.environ.get("ROUNDS", "20"))
FEW = 1000
LISTED = 50
"""One tenant in so many wants to be found in public."""
TARGET = "0002"
"""The schema revision that no tenant is at."""


class Slowest:
    """The seconds of the slowest statement of an engine."""

    def __init__(self, catalog: Catalog) -> None:
        self.seconds = 0.0
        self._began = 0.0
        event.listen(catalog.store.engine, "before_cursor_execute", self._begin)
        event.listen(catalog.store.engine, "after_cursor_execute", self._end)

    def _begin(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _end(self, *_: Any) -> None:
        self.seconds = max(self.seconds, time.perf_counter() - self._began)


@contextmanager
def filled(url: str, folder: Path, tenants: int) -> Iterator[Catalog]:
    """Yield a catalog with so many tenants, in a database of its own."""
    name = f"catalog_{tenants}"
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    settings = load_settings(
        domain=DOMAIN,
        data_dir=folder / name,
        catalog_url=make_url(url).set(database=name).render_as_string(hide_password=False),
        secret_keys=("benchmark-" * 4,),
    )
    catalog = open_world(settings, tenants=tenants)
    with catalog.store.engine.connect().execution_options(**WRITE) as connection:
        is_listed = text(f"right(slug, 4) ~ '^[0-9]+$' AND right(slug, 4)::int % {LISTED} = 0")
        connection.execute(update(TenantRecord).where(is_listed).values(listed=True))
        connection.execute(update(TenantRecord).values(schema_revision="0001"))
        connection.commit()
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    yield catalog
    catalog.close()


def start_worker(catalog: Catalog) -> None:
    """Read what a worker reads before it serves."""
    catalog.check_schema()
    catalog.tenants.count_elsewhere({"local"})
    directory = Directory(catalog, domain=DOMAIN)
    ServedHosts(catalog, directory).refresh()
    directory.catch_up(anyway=True)


def timed(act: Callable[[int], object]) -> float:
    """Return the seconds of the median round; the first one is not counted."""
    act(-1)
    times = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        act(number)
        times.append(time.perf_counter() - began)
    return median(times)


def measure(catalog: Catalog, tenants: int) -> dict[str, float]:
    """Return what everything takes, in seconds."""

    def create(number: int) -> None:
        made = catalog.tenants.add(f"made{number + 1}", name=f"Made {number}", by=SYSTEM)
        catalog.provisioning.activate({made.id: None}, by=SYSTEM)

    slowest = Slowest(catalog)
    found = {
        "create": timed(create),
        "search": timed(lambda number: catalog.tenants.list_public(search=f"{number % 10}7")),
        "worker_start": timed(lambda _: start_worker(catalog)),
    }
    slowest.seconds = 0.0
    began = time.perf_counter()
    run = catalog.runs.begin(TARGET, node="bench", options={}, by=SYSTEM)
    found["run_begin"] = time.perf_counter() - began
    if run.total < tenants:
        raise SystemExit(f"the run has {run.total} steps, not {tenants}")
    found["claim"] = timed(lambda _: catalog.runs.claim_steps(run.id, 100, by=SYSTEM))
    found["slowest"] = slowest.seconds
    return found


def main() -> int:
    """Measure, and print one line of JSON."""
    logging.disable(logging.WARNING)
    with (
        tempfile.TemporaryDirectory(prefix="tenantry-bench-", ignore_cleanup_errors=True) as name,
        catalog_server() as (url, _),
    ):
        found = {}
        for tenants in (FEW, TENANTS):
            with filled(url, Path(name), tenants) as catalog:
                found[tenants] = measure(catalog, tenants)
            shown = ", ".join(f"{key} {1000 * took:.1f} ms" for key, took in found[tenants].items())
            print(f"{tenants:,} tenants: {shown}", flush=True)
    few, many = found[FEW], found[TENANTS]
    ratios = {
        f"{key}_ratio": round(many[key] / few[key], 2)
        for key in ("search", "create", "worker_start", "claim")
    }
    print(
        json.dumps(
            {
                "tenants": TENANTS,
                "run_begin_s": round(many["run_begin"], 3),
                "slowest_s": round(many["slowest"], 3),
                **ratios,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
