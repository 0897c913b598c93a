"""What a site's visitors notice of its neighbours' troubles.

    make bench-neighbour                        # 4 rounds of 5 s for each kind of trouble
    ROUNDS=10 SECONDS=10 make bench-neighbour

The shipped uwsgi.ini runs twice: with the platform, and with the recipe of Flask's documentation. The
front page of one site is asked for at a fixed rate: while all is quiet, while a neighbour's factory
sleeps 2 s, while 50 cold tenants arrive per second, and while 32 clients hammer a neighbour's page that
takes a second. Beside the cold tenants stands a warm one that gets as many visits: what pages cost
anyway. The limits by client and by tenant are off: they would end the trouble before it begins. The
last line is JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice, product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import tenants
from bench.neighbours import SLOW_BUILD
from bench.servers import Meter, configure, environment_of, serving
from bench.visitors import Heard, arrivals, hammering, one_after_another, send_out
from bench.world import DOMAIN, open_world, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.servers import Server
    from bench.visitors import Visit
    from tenantry.settings import Settings

ROUNDS = int(os.environ.get("ROUNDS", "4"))
SECONDS = float(os.environ.get("SECONDS", "5"))
RATE = 100
"""Requests per second for the hot site."""
COLD_RATE = 50
CLIENTS = 32
PAUSE = 0.1
PLATFORM, RECIPE = "platform", "recipe"
QUIET, SLOW, COLD, HAMMERED = "quiet", "slow_build", "cold_storm", "hammered"
WARM = "warm_visits"
TURNS = ((QUIET, SLOW), (QUIET, COLD, WARM), (QUIET, HAMMERED))
RECIPE_EVERY = 4
"""Rounds: the recipe's figures are far from any border."""
WARM_UP = 200
TITLES = {
    QUIET: "quiet",
    SLOW: f"a neighbour's factory sleeps {SLOW_BUILD:.0f} s",
    COLD: f"{COLD_RATE} cold tenants a second",
    WARM: f"{COLD_RATE} visits a second to a warm one",
    HAMMERED: f"{CLIENTS} clients hammer a neighbour",
}
HOT_ASKED = round(RATE * SECONDS)
COLD_ASKED = round(COLD_RATE * SECONDS)
SLOW_ASKED = round(SECONDS / SLOW_BUILD) + 1
HOT, BUSY, TEMPLATE = "hot", "busy", "template"


def _host(slug: str) -> str:
    return f"{slug}.{DOMAIN}"


@dataclass(slots=True)
class Windows:
    """What was heard while the same went on: by the hot site's visitors, and by all others."""

    hot: list[Heard] = field(default_factory=list)
    others: list[Heard] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """Return the median of the windows' percentiles, in milliseconds."""
        return median(heard.percentile(percent) for heard in self.hot)

    def answers(self) -> dict[int, int]:
        """Return how often the others were answered with each status."""
        statuses = sum((heard.statuses for heard in self.others), start=Heard().statuses)
        return dict(sorted(statuses.items()))


@dataclass(slots=True)
class Newcomers:
    """Slugs of tenants that no server has seen yet."""

    slow: Iterator[str]
    cold: Iterator[str]


def prepare(settings: Settings) -> Newcomers:
    """Make the catalog, and a database of its own for each site."""
    slow = [f"slow-{number}" for number in range(2 * ROUNDS * SLOW_ASKED)]
    cold = [f"cold-{number}" for number in range(2 * ROUNDS * COLD_ASKED)]
    slugs = [HOT, BUSY, TEMPLATE, *slow, *cold]
    catalog = open_world(settings, tenants=len(slugs), slug=slugs.__getitem__)
    for slug in (HOT, TEMPLATE):
        tenant = catalog.tenants.get(slug)
        tenants.provision(tenant, settings)
        tenants.demonstrate(tenant, settings)
    template = settings.tenant_dir(catalog.tenants.get(TEMPLATE).id)
    for number, _ in enumerate(cold, len(slugs) - len(cold)):
        shutil.copytree(template, settings.tenant_dir(f"{number:032x}"))
    catalog.close()
    (settings.run_dir / "reload").touch()
    return Newcomers(iter(slow), iter(cold))


def trouble(kind: str, server: Server, newcomers: Newcomers) -> list[Visit]:
    """Return the visits that make this kind of trouble."""
    if kind == SLOW:
        hosts = [_host(slug) for slug in islice(newcomers.slow, SLOW_ASKED)]
        return [one_after_another(server.port, hosts, seconds=SECONDS)]
    if kind == COLD:
        hosts = [_host(slug) for slug in islice(newcomers.cold, COLD_ASKED)]
        return [arrivals(server.port, hosts, rate=COLD_RATE)]
    if kind == WARM:
        return [arrivals(server.port, [_host(TEMPLATE)] * COLD_ASKED, rate=COLD_RATE)]
    if kind == HAMMERED:
        return [
            hammering(
                server.port,
                _host(BUSY),
                path="/slow",
                clients=CLIENTS,
                seconds=SECONDS,
                pause=PAUSE,
            )
        ]
    return []


def measure(servers: Mapping[str, Server], newcomers: Newcomers) -> dict[str, dict[str, Windows]]:
    """Let each trouble come to each server in turn, with quiet before it."""
    windows = {name: {kind: Windows() for kind in TITLES} for name in servers}
    for server in servers.values():
        for slug in (HOT, BUSY, TEMPLATE):  # built in both processes, templates read
            send_out(arrivals(server.port, [_host(slug)] * WARM_UP, rate=RATE))
    for number, kinds in product(range(ROUNDS), TURNS):
        for name, server in servers.items():
            if name == RECIPE and number % RECIPE_EVERY:
                continue
            for kind in kinds:
                hot = arrivals(server.port, [_host(HOT)] * HOT_ASKED, rate=RATE)
                heard, *others = send_out(hot, *trouble(kind, server, newcomers))
                windows[name][kind].hot.append(heard)
                windows[name][kind].others += others
    return windows


def report(windows: Mapping[str, Mapping[str, Windows]]) -> dict[str, float]:
    """Print the tables; return the figures."""
    figures: dict[str, float] = {}
    for name, kinds in windows.items():
        quiet = kinds[QUIET].percentile(99)
        prefix = "" if name == PLATFORM else f"{name}_"
        print(f"\n{name:40}{'p50 ms':>10}{'p99 ms':>10}{'p99 ratio':>11}{'not 200':>9}  others")
        for kind, window in kinds.items():
            p99 = window.percentile(99)
            failed = sum(heard.failed for heard in window.hot)
            others = ", ".join(f"{number} x {code}" for code, number in window.answers().items())
            print(
                f"{TITLES[kind]:40}{window.percentile(50):10.2f}{p99:10.2f}"
                f"{p99 / quiet:11.2f}{failed:9}  {others}"
            )
            if kind != QUIET:
                figures[f"{prefix}{kind}"] = round(p99 / quiet, 2)
        figures[f"{prefix}quiet_p99_ms"] = round(quiet, 2)
        figures[f"{prefix}hot_failed"] = sum(h.failed for w in kinds.values() for h in w.hot)
        rounds = (" ".join(f"{h.percentile(99):.1f}" for h in w.hot) for w in kinds.values())
        print("p99 of each window:", " | ".join(rounds))
    return figures


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tenantry-neighbour-") as name, ExitStack() as stack:
        folder = Path(name)
        settings = settings_in(folder / "var")
        newcomers = prepare(settings)
        environment = environment_of(settings, TENANTRY_FACTORY="bench.neighbours:create_app")
        modules = {
            PLATFORM: "tenantry.wsgi:application",
            RECIPE: "bench.neighbours:build_recipe_of_sites()",
        }
        servers = {
            server: stack.enter_context(
                serving(
                    configure(folder / f"{server}.ini", module=module),
                    folder=folder,
                    host=_host(HOT),
                    environment=environment,
                )
            )
            for server, module in modules.items()
        }
        meter = Meter(*servers.values())
        windows = measure(servers, newcomers)
        others = meter.others()
    print(f"other programs kept {others:.2f} processors busy meanwhile")
    print(f"{ROUNDS} rounds of {SECONDS:g} s for each, {RATE} requests/s for the hot site")
    print(json.dumps(report(windows)))


if __name__ == "__main__":
    main()
