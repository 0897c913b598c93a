"""Whether every node obeys a command when it returns, and what that costs.

    make bench-fleet            # 50 suspensions
    N=10 make bench-fleet       # so many

Two nodes with data folders of their own run the shipped uwsgi.ini on one catalog and one server of
tenants, both PostgreSQL. A site is suspended and resumed from the first node. After each suspension the
second node is asked for the site's page at once; in half of the rounds the connections on which nodes
listen for changes were cut before. Then the second node is stopped, and the same commands are timed
with one node. The last line is JSON: `stale_after_suspend` counts pages that were served although
`suspend` had returned. `suspend_p95_ratio` is the time with two nodes in times of that with one.
`feed_idle_tps_per_node` and `listen_connections_per_node` are of nodes with four workers and a job
worker that have nothing to do: transactions per second in the catalog, and connections that listen.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import make_url

import tenants
from bench.fleet_feed import measure_feed
from bench.postgres import catalog_server, server
from bench.servers import ROOT, environment_of, fetch, serving
from bench.world import DOMAIN, trivial
from tenantry.catalog import SYSTEM, open_catalog
from tenantry.catalog.joining import join_fleet
from tenantry.factory import Factory
from tenantry.lifecycle import Operations
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication

    from bench.servers import Server
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

N = int(os.environ.get("N", "50"))
WORKERS = 4
"""Of each node."""
SITE = f"acme.{DOMAIN}"
SERVED, SUSPENDED = 200, 403
CUT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)
LEASE = 12.0
"""Seconds after which a stopped node is no longer waited for."""


def settings_of(name: str, folder: Path, catalog_url: str, tenants_url: str) -> Settings:
    """Return the settings of a node, with a data folder of its own and files that both share."""
    return load_settings(
        domain=DOMAIN,
        data_dir=folder / name,
        files_dir=str(folder / "files"),
        catalog_url=catalog_url,
        databases=json.dumps({"main": tenants_url}),
        access_log=str(folder / f"{name}.access"),
        secret_keys=("benchmark-" * 4,),
        page_cache_mb=0,
    )


@contextmanager
def running(settings: Settings, tenants_url: str) -> Iterator[Server]:
    """Run a node's server."""
    with ExitStack() as stack:
        settings.run_dir.mkdir(parents=True, exist_ok=True)
        (settings.run_dir / "reload").touch()
        environment = environment_of(
            settings,
            TENANTRY_CATALOG_URL=settings.catalog_url,
            TENANTRY_DATABASES=json.dumps({"main": tenants_url}),
            TENANTRY_FILES_DIR=settings.files_dir,
            TENANTRY_BACKUP_TIME="off",
            TENANTRY_PROCESSES=str(WORKERS),
        )
        yield stack.enter_context(
            serving(
                ROOT / "uwsgi.ini",
                folder=settings.data_dir,
                host=DOMAIN,
                environment=environment,
            )
        )


def trivial_site(_tenant: Tenant) -> WSGIApplication:
    """Return an app: the commands of the benchmark build none."""
    return trivial


class Commands:
    """What an operator does on the first node."""

    def __init__(self, settings: Settings) -> None:
        self.catalog = open_catalog(settings)
        self.catalog.upgrade()
        join_fleet(self.catalog, settings)
        factory = Factory(
            build=trivial_site, provision=partial(tenants.provision, settings=settings)
        )
        self.operations = Operations(self.catalog, factory, settings=settings, actor=SYSTEM)
        plain = make_url(settings.catalog_url).set(drivername="postgresql")
        self.address = plain.render_as_string(hide_password=False)

    def cut_listeners(self) -> None:
        """End the connections on which nodes listen for changes."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(CUT)

    def suspend(self) -> float:
        """Suspend the site; return the seconds until the command returned."""
        began = time.perf_counter()
        self.operations.suspend("acme")
        return time.perf_counter() - began


def measure(commands: Commands, watched: Server, *, cut: bool) -> tuple[list[float], int]:
    """Suspend and resume; return the times of the quiet rounds, and how many pages were stale.

    :param cut: Whether the listeners are cut in every second round.
    """
    times, stale = [], 0
    for number in range(N):
        is_cut = cut and number % 2 == 1
        if fetch(watched.port, host=SITE)[0] != SERVED:
            raise SystemExit("the site is not served before it is suspended")
        if is_cut:
            commands.cut_listeners()
        seconds = commands.suspend()
        stale += fetch(watched.port, host=SITE)[0] != SUSPENDED
        if not is_cut:
            times.append(seconds)
        commands.operations.resume("acme")
    return times, stale


def p95(times: list[float]) -> float:
    """Return what all but a twentieth of the times are below."""
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]


def main() -> int:
    """Measure, and print one line of JSON."""
    with (
        tempfile.TemporaryDirectory(prefix="tenantry-bench-", ignore_cleanup_errors=True) as name,
        catalog_server() as (catalog_url, _),
        server() as tenants_url,
    ):
        assert tenants_url is not None  # catalog_server() has needed the same wheel
        folder = Path(name)
        one, two = (settings_of(n, folder, catalog_url, tenants_url) for n in ("one", "two"))
        commands = Commands(one)
        commands.operations.create("acme", name="Acme")
        with running(one, tenants_url) as first:
            with running(two, tenants_url) as second:
                feed_tps, listening = measure_feed(commands.address, nodes=2)
                both, stale = measure(commands, second, cut=True)
            time.sleep(LEASE)
            alone, _ = measure(commands, first, cut=False)
        commands.catalog.close()
    print(
        json.dumps(
            {
                "stale_after_suspend": stale,
                "suspensions": N,
                "suspend_p95_ms": round(p95(both) * 1000, 1),
                "suspend_p95_ratio": round(p95(both) / p95(alone), 2),
                "feed_idle_tps_per_node": round(feed_tps, 2),
                "listen_connections_per_node": listening,
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
