"""What a flood of hosts that nobody has leaves behind, and what a site's visitors notice of it.

    make bench-flood                # 50,000 random hosts and 50,000 random subdomains
    N=5000 make bench-flood         # so many of each
    FLOOD_RATE=1500 make bench-flood

The shipped uwsgi.ini runs with the whole platform. The flood comes in parts, at a fixed rate, with
quiet before each, while the front page of one site is asked for at a fixed rate all the time. Beside
the flood stand as many requests for the health check: what requests cost a server and its kernel
anyway. What the server does by itself, such as polls for changes, counts for no request. The limits
by client and by tenant are off: by its address the flood would be refused before any look-up. The
buckets of look-ups are small, so that the flood empties them. The last line is JSON.
"""

from __future__ import annotations

import json
import os
import random
import string
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import tenants
from bench.counting import LOOKUPS, POLLS, read_counts
from bench.servers import Meter, configure, environment_of, resident_mb, serving
from bench.visitors import Heard, arrivals, send_out
from bench.world import DOMAIN, open_world, settings_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.servers import Server
    from bench.visitors import Visit
    from tenantry.settings import Settings

N = int(os.environ.get("N", "50000"))
PARTS = int(os.environ.get("PARTS", "5"))
FLOOD_RATE = int(os.environ.get("FLOOD_RATE", "500"))
"""Requests per second: more than twice of what two workers may look up."""
LOOKUPS_ALLOWED = 100
"""Per second and worker."""
STRANGERS = 80
"""Names that nobody has, per second, where their cost is measured: each of them is looked up."""
RATE = 100
"""Requests per second for the hot site."""
QUIET_SECONDS = float(os.environ.get("QUIET_SECONDS", "4"))
WARM_UP = 300
THREADS = 32
HOT = f"hot.{DOMAIN}"
DATABASE = "catalog.sqlite3"

COUNTED = """
import os
from pathlib import Path
from bench.counting import count_queries

count_queries(os.environ["BENCH_CATALOG"], Path(os.environ["BENCH_COUNTS"]))

from tenantry.wsgi import application
"""
"""What the server loads: the platform, counted from its first query on."""


def random_hosts(number: int, *, seed: str) -> list[str]:
    """Return so many hosts that nobody has, and as many free names, by turns."""
    dice = random.Random(seed)  # noqa: S311 - no secret

    def word() -> str:
        return "".join(dice.choices(string.ascii_lowercase, k=14))

    return [host for _ in range(number) for host in (f"www.{word()}.test", f"{word()}.{DOMAIN}")]


@dataclass(slots=True)
class Result:
    """What was seen, part by part."""

    quiet: list[Heard] = field(default_factory=list)
    plain: list[Heard] = field(default_factory=list)
    """While as many ask for nothing much."""
    during: list[Heard] = field(default_factory=list)
    flood: list[Heard] = field(default_factory=list)
    lookups: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Processors that the server kept busy."""
    polls: int = 0
    idle: float = 0.0
    """Processors that the server keeps busy while nobody asks."""
    health_cost: list[float] = field(default_factory=list)
    """Processor seconds of the server for a health check."""
    hot_cost: list[float] = field(default_factory=list)
    """The same for a page of the hot site."""
    unknown_cost: list[float] = field(default_factory=list)
    """The same for a name that nobody has, seen for the first time."""
    before: dict[int, float] = field(default_factory=dict)
    after: dict[int, float] = field(default_factory=dict)

    @property
    def growth(self) -> dict[int, float]:
        """By how many MiB each worker has grown."""
        return {process: self.after[process] - mb for process, mb in self.before.items()}


def prepare(settings: Settings, folder: Path) -> dict[str, str]:
    """Make a catalog, the hot site and the module to load; return the server's environment."""
    catalog = open_world(settings, tenants=1000, slug=lambda n: f"site-{n}" if n else "hot")
    hot = catalog.tenants.get("hot")
    tenants.provision(hot, settings)
    tenants.demonstrate(hot, settings)
    catalog.close()
    (folder / "counted.py").write_text(COUNTED)
    (folder / "counts").mkdir()
    environment = environment_of(
        settings,
        TENANTRY_LIMIT_LOOKUPS=str(LOOKUPS_ALLOWED),
        BENCH_CATALOG=str(settings.data_dir / DATABASE),
        BENCH_COUNTS=str(folder / "counts"),
    )
    environment["PYTHONPATH"] += f"{os.pathsep}{folder}"
    return environment


def measure(server: Server, counts: Path) -> Result:
    """Send the flood in parts, with quiet before each."""

    def hot(seconds: float) -> list[str]:
        return [HOT] * round(RATE * seconds)

    def crowd(hosts: list[str], path: str = "/") -> Visit:
        return arrivals(server.port, hosts, rate=FLOOD_RATE, path=path, threads=THREADS)

    # The site is built in each process, each kind of answer was made there once, and every thread has
    # worked: what a crowd takes is there before anything is counted.
    send_out(arrivals(server.port, hot(WARM_UP / RATE), rate=RATE))
    send_out(crowd(random_hosts(WARM_UP, seed="warm-up")))
    send_out(crowd(hot(WARM_UP / RATE)))
    if not read_counts(counts)[LOOKUPS]:
        raise SystemExit("The queries are not counted: the catalog was asked in another way.")
    found = Result(before={process: resident_mb(process) for process in server.workers()})
    first = read_counts(counts)
    found.idle = _idle(server)
    slowly = arrivals(server.port, hot(QUIET_SECONDS), rate=STRANGERS, path="/-/health")
    _alone(server, slowly, found.health_cost, status=200, idle=found.idle)
    for part in range(PARTS):
        flood = random_hosts(N // PARTS, seed=f"part {part}")
        quiet = arrivals(server.port, hot(QUIET_SECONDS), rate=RATE)
        found.quiet.append(_alone(server, quiet, found.hot_cost, status=200, idle=found.idle))
        names = random_hosts(round(STRANGERS * QUIET_SECONDS), seed=f"strangers {part}")[1::2]
        strangers = arrivals(server.port, names, rate=STRANGERS)
        costs = found.unknown_cost
        looked_up = _alone(server, strangers, costs, status=404, idle=found.idle).statuses
        if set(looked_up) != {404}:
            raise SystemExit(f"Not all of the strangers were looked up: {dict(looked_up)}")
        healthy = [HOT] * round(FLOOD_RATE * QUIET_SECONDS)
        found.plain.append(send_out(quiet, crowd(healthy, "/-/health"))[0])
        asked = read_counts(counts)[LOOKUPS]
        found.cpu.append(server.cpu_seconds())
        during, heard = send_out(
            arrivals(server.port, hot(len(flood) / FLOOD_RATE), rate=RATE),
            crowd(flood),
        )
        found.lookups.append(read_counts(counts)[LOOKUPS] - asked)
        found.cpu[-1] = (server.cpu_seconds() - found.cpu[-1]) / heard.lasted
        found.during.append(during)
        found.flood.append(heard)
    found.polls = read_counts(counts)[POLLS] - first[POLLS]
    if set(server.workers()) != set(found.before):
        raise SystemExit("A worker was replaced, so that its growth is not known.")
    found.after = {process: resident_mb(process) for process in server.workers()}
    return found


def _idle(server: Server) -> float:
    """Return how many processors the server keeps busy by itself."""
    before, seconds = server.cpu_seconds(), 2 * QUIET_SECONDS
    time.sleep(seconds)
    return (server.cpu_seconds() - before) / seconds


def _alone(server: Server, visit: Visit, costs: list[float], *, status: int, idle: float) -> Heard:
    """Send out one kind of visitors alone; add to *costs* what each of their answers takes.

    :param status: What is an answer: on a busy machine some of them are refused, which takes little.
    :param idle: What the server would have done without them.
    """
    before = server.cpu_seconds()
    (heard,) = send_out(visit)
    used = server.cpu_seconds() - before - idle * heard.lasted
    costs.append(used / max(1, heard.statuses[status]))
    return heard


def bucket_bound(found: Result) -> float:
    """Return how many look-ups the buckets of all workers allow: what is in them and what comes."""
    workers, rate = len(found.before), LOOKUPS_ALLOWED
    # The quiet before a part fills a bucket to its brim, two seconds' worth.
    return sum(workers * rate * (2 + heard.lasted) for heard in found.flood)


def report(found: Result) -> Mapping[str, float]:
    """Print what was seen; return the figures."""
    statuses: Counter[int] = sum((heard.statuses for heard in found.flood), start=Counter())
    answers = ", ".join(f"{number:,} x {status}" for status, number in sorted(statuses.items()))
    seconds = sum(heard.lasted for heard in found.flood)
    print(f"{statuses.total():,} requests in {seconds:.0f} s: {answers}")
    print(f"the server kept {median(found.cpu):.2f} processors busy meanwhile")
    print(f"{'hot site':12}{'p50 ms':>10}{'p99 ms':>10}{'not 200':>9}   p99 of each window")
    p99s = []
    kinds = {"quiet": found.quiet, "health": found.plain, "flood": found.during}
    for title, windows in kinds.items():
        p99s.append(median(heard.percentile(99) for heard in windows))
        p50 = median(heard.percentile(50) for heard in windows)
        failed = sum(heard.failed for heard in windows)
        each = " ".join(f"{heard.percentile(99):.1f}" for heard in windows)
        print(f"{title:12}{p50:10.2f}{p99s[-1]:10.2f}{failed:9}   {each}")
    for process, growth in found.growth.items():
        print(f"worker {process}: {found.before[process]:.1f} MiB before, {growth:+.1f} MiB")
    costs = (found.health_cost, found.unknown_cost, found.hot_cost)
    health, unknown, page = (median(cost) for cost in costs)
    print(
        f"processor time: {health * 1e3:.2f} ms for a health check, {unknown * 1e3:.2f} ms for a new "
        f"name, {page * 1e3:.2f} ms for a page; {found.idle * 1e3:.1f} ms a second for nothing"
    )
    bound = bucket_bound(found)
    lookups = sum(found.lookups)
    print(f"{lookups:,} look-ups; the buckets allow {bound:,.0f}; {found.polls} polls for changes")
    return {
        "growth_mb": round(sum(found.growth.values()), 2),
        "growth_mb_worst_worker": round(max(found.growth.values()), 2),
        "hot_p99_ratio": round(p99s[2] / p99s[0], 2),
        "health_p99_ratio": round(p99s[1] / p99s[0], 2),
        "unknown_cost_ratio": round(unknown / page, 3),
        "health_cost_ratio": round(health / page, 3),
        "rate": FLOOD_RATE,
        "catalog_queries": lookups,
        "bucket_bound": round(bound),
        "hot_failed": sum(heard.failed for windows in kinds.values() for heard in windows),
        "requests": statuses.total(),
    }


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tenantry-flood-") as name:
        folder = Path(name)
        settings = settings_in(folder / "var")
        environment = prepare(settings, folder)
        # A worker that is replaced after so many requests would hide what it has grown by.
        ini = configure(
            folder / "platform.ini",
            module="counted:application",
            changes={"max-requests = 50000": "max-requests = 0"},
        )
        with serving(ini, folder=folder, host=HOT, environment=environment) as server:
            meter = Meter(server)
            found = measure(server, folder / "counts")
            others = meter.others()
    print(f"other programs kept {others:.2f} processors busy meanwhile")
    print(json.dumps(report(found)))


if __name__ == "__main__":
    main()
