"""What it costs a request to find its tenant's app, beside the recipe of Flask's documentation.

    make bench-dispatch                     # 1,000 tenants in the catalog
    TENANTS=1000000 make bench-dispatch     # a million; making them takes a while

Every variant answers the same requests with the same trivial app, in alternating rounds in one
process. What it *adds* in a round is a request's time through it, less its time when the app is
called directly; the figures are medians over the rounds. The last line is JSON.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from bench.recipe import behind_proxy, build_recipe
from bench.world import DOMAIN, open_world, settings_in, trivial, visits
from tenantry.catalog.directory import Directory
from tenantry.dispatch import Pages, build_door
from tenantry.dispatch.door import build_dispatcher
from tenantry.limits import RateTable
from tenantry.pool import InstancePool
from tenantry.resources.budget import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings

TENANTS = int(os.environ.get("TENANTS", "1000"))
VISITED = 150
"""Tenants that are asked for; the shipped settings keep 200 instances in a worker."""
REQUESTS = 100
"""In one turn of one variant: a millisecond, so that most turns run undisturbed on a busy machine."""
ROUNDS = int(os.environ.get("ROUNDS", "2000"))
ENDLESS = 1e9
PORTION = 50
"""Tokens are taken as with the shipped limit, fifty at a time, from buckets that never run dry."""
BARE, DISPATCH, DOOR = "app alone", "dispatchers and pool", "front door"
RECIPE, UNPROXIED = "recipe", "recipe, no ProxyFix"


def _write(_chunk: bytes) -> None:
    """Stand in for the callable that start_response returns; nobody uses it."""


def start_response(
    _status: str, _headers: object, _exc_info: object = None, /
) -> Callable[[bytes], None]:
    """Do what a server has to do at least."""
    return _write


def take_turn(app: WSGIApplication, requests: Sequence[WSGIEnvironment]) -> float:
    """Answer all requests as a server does; return the microseconds of one."""
    gc.collect()
    gc.disable()
    started = time.perf_counter()
    for request in requests:
        body = app(request.copy(), start_response)
        for _chunk in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()
    seconds = time.perf_counter() - started
    gc.enable()
    return seconds / len(requests) * 1e6


def build_variants(settings: Settings, catalog: Catalog) -> dict[str, WSGIApplication]:
    """Put together what is compared. Each platform variant has a directory and a pool of its own."""
    table = RateTable(settings.run_dir / "rates")

    def parts() -> tuple[Directory, InstancePool[WSGIApplication]]:
        directory = Directory(catalog, domain=settings.domain)
        pool: InstancePool[WSGIApplication] = InstancePool(
            lambda _: trivial,
            budget=Budget(instances=settings.pool_instances),
            max_in_flight=lambda tenant: settings.in_flight_of(tenant.plan),
            take_tokens=lambda tenant: table.take_tokens(
                f"tenant {tenant.id}", ENDLESS, ENDLESS, PORTION
            )[0],
        )
        directory.subscribe(pool.retire)
        return directory, pool

    directory, pool = parts()
    dispatcher = build_dispatcher(
        settings=settings,
        directory=directory,
        pool=pool,
        front=trivial,
        backend=trivial,
        pages=Pages(settings.apex_url),
    )
    directory, pool = parts()
    door = build_door(
        settings=settings, directory=directory, pool=pool, front=trivial, backend=trivial
    )
    recipe = build_recipe(domain=DOMAIN, create_app=lambda _: trivial, backend=trivial)
    proxied = behind_proxy(recipe)
    return {BARE: trivial, DISPATCH: dispatcher, DOOR: door, RECIPE: proxied, UNPROXIED: recipe}


def measure(
    variants: dict[str, WSGIApplication], requests: Sequence[WSGIEnvironment]
) -> dict[str, list[float]]:
    """Return each variant's microseconds per request, round by round."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    for app in variants.values():
        take_turn(app, requests)  # builds what is asked for
    gc.freeze()  # what is there to stay is not looked at again before each turn
    for number in range(ROUNDS):
        first = number * REQUESTS % len(requests)
        asked = requests[first : first + REQUESTS]
        # Nobody always comes first, or always after the same one.
        turn = number % len(names)
        for name in [*names[turn:], *names[:turn]][:: 1 if number % 2 else -1]:
            times[name].append(take_turn(variants[name], asked))
    return times


def time_query(catalog: Catalog) -> float:
    """Return the microseconds of the query that finds a tenant who is not in memory yet."""
    taken = []
    for number in range(0, TENANTS, max(1, TENANTS // 500)):
        started = time.perf_counter()
        catalog.tenants.get(f"site-{number}")
        taken.append((time.perf_counter() - started) * 1e6)
    return median(taken)


def report(times: dict[str, list[float]]) -> dict[str, float]:
    """Print the table; return what each variant adds."""
    added = {}
    print(f"{'µs a request':24}{'median':>10}{'added':>10}{'quartiles of added':>24}")
    for name, taken in times.items():
        extra = [one - bare for one, bare in zip(taken, times[BARE], strict=True)]
        low, added[name], high = quantiles(extra, n=4)
        span = f"{low:.2f} to {high:.2f}"
        print(f"{name:24}{median(taken):10.2f}{added[name]:10.2f}{span:>24}")
    return added


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_in(Path(folder))
        catalog = open_world(settings, tenants=TENANTS)
        requests = visits(tenants=TENANTS, visited=VISITED, requests=40 * REQUESTS)
        variants = build_variants(settings, catalog)
        times = measure(variants, requests)
        lines = len((Path(folder) / "access.log").read_bytes().splitlines())
        assert lines == ROUNDS * REQUESTS + len(requests), "the access log misses requests"
        query = time_query(catalog)
        catalog.close()
    print(
        f"{TENANTS:,} tenants in the catalog, {VISITED} of them asked for, half the time the same"
    )
    print(f"{ROUNDS} rounds of {REQUESTS} requests for each")
    print(f"A tenant who is not in memory is found with one query of {query:.0f} µs (median)")
    added = report(times)
    figures = {
        "dispatch_us": round(added[DISPATCH], 2),
        "door_us": round(added[DOOR], 2),
        "recipe_us": round(added[RECIPE], 2),
        "ratio": round(added[DISPATCH] / added[RECIPE], 3),
        "door_ratio": round(added[DOOR] / added[RECIPE], 2),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
