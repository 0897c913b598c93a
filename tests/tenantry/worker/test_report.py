"""What a worker tells about itself, from real parts that have seen some trouble."""

from __future__ import annotations

import json
import os
import threading
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog.directory import Directory
from tenantry.errors import BuildFailedError, RateLimitError, TenantLimitError
from tenantry.limits import ClientRates, RateTable
from tenantry.resources.budget import Budget, Footprint
from tenantry.resources.gc_control import GRACE_SECONDS, GcControl
from tenantry.resources.usage import Ledger
from tenantry.worker.report import MOST_EXPENSIVE, WorkerReport
from tests.conftest import DOMAIN, eventually
from tests.tenantry.support import FakeClock, Instance, Workshop, a_tenant, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog
    from tenantry.pool import InstancePool
    from tenantry.values.tenant import Tenant

pytestmark = pytest.mark.heap

KEYS = {
    "": {
        "pid",
        "worker",
        "version",
        "started_at",
        "threads",
        "pool",
        "budget",
        "failures",
        "slowest_builds",
        "expensive",
        "leaks",
        "gc",
        "limits",
        "traffic",
        "epoch",
        "is_reachable",
    },
    "pool": {
        "instances",
        "leases",
        "builds_running",
        "waiting",
        "queued",
        "backing_off",
        "hits",
        "builds",
        "failures",
        "timeouts",
        "refusals",
        "busy",
        "evictions",
        "retirements",
        "disposals",
    },
    "budget": {"instances", "memory_mb", "connections", "descriptors"},
    "failures": {
        "tenant",
        "slug",
        "revision",
        "serving",
        "problem",
        "error_id",
        "attempts",
        "retry_in",
        "at",
    },
    "slowest_builds": {"tenant", "slug", "revision", "at", "seconds", "steps"},
    "expensive": {"tenant", "slug", "requests", "wall", "cpu", "database"},
    "leaks": {"tenant", "slug", "since", "held_by"},
    "gc": {"frozen", "collections", "thaws", "longest_pause"},
    "limits": {"refused_tenant", "refused_client"},
}
"""What those who read the report look for; the names are an interface between releases."""

ACME, BOLT, CRUX = a_tenant("acme"), a_tenant("bolt"), a_tenant("crux")
ACME2 = a_tenant("acme", revision=2)


class Works:
    """A worker whose factory, limits and garbage have made trouble."""

    def __init__(
        self, make_pool: Callable[..., InstancePool[Instance]], directory: Directory
    ) -> None:
        self.clock = FakeClock()
        self.workshop = Workshop()
        self.gc_control = GcControl(clock=self.clock)
        self.budget = Budget(
            instances=50,
            memory_mb=768,
            connections=200,
            descriptors=1000,
            measure=lambda: Footprint(81.234, 31),
        )
        self.ledger = Ledger()
        self.limited: set[str] = set()
        self.pool = make_pool(
            self.workshop.build,
            dispose=self.workshop.dispose,
            gc_control=self.gc_control,
            budget=self.budget,
            clock=self.clock,
            take_tokens=self.take_tokens,
        )
        clients = ClientRates(RateTable(None), 1)
        clients.refused = 5
        self.report = WorkerReport(
            worker=2,
            pool=self.pool,
            budget=self.budget,
            gc_control=self.gc_control,
            ledger=self.ledger,
            connections=lambda: 7,
            clients=clients,
            directory=directory,
        )

    def take_tokens(self, tenant: Tenant) -> int:
        if tenant.slug in self.limited:
            raise RateLimitError(tenant.slug, 1)
        return 100

    def ask(self) -> dict[str, Any]:
        """Return the report as it arrives at whoever asked."""
        document: dict[str, Any] = json.loads(json.dumps(self.report(), allow_nan=False))
        return document

    def make_trouble(self) -> None:
        serve(self.pool, ACME)
        serve(self.pool, BOLT)
        serve(self.pool, a_tenant("bolt", revision=2))
        eventually(lambda: self.workshop.disposed)  # and the workshop's list goes on holding it
        eventually(lambda: self.gc_control._watched)
        for slug in ("acme", "crux"):
            self.workshop.broken[slug] = ValueError("no such theme")
        serve(self.pool, ACME2)
        with pytest.raises(BuildFailedError):
            self.pool.acquire(CRUX)
        self.limited = {"acme"}
        for _ in range(200):
            try:
                serve(self.pool, ACME)
            except TenantLimitError:
                break
        self.clock.advance(GRACE_SECONDS)
        self.gc_control.tend()
        for number in range(MOST_EXPENSIVE + 5):
            self.ledger.add(
                str(number),
                f"t{number}",
                wall=float(number),
                cpu=float(-number),
                database=float(number % 7),
            )


@pytest.fixture
def works(make_pool: Callable[..., InstancePool[Instance]], catalog: Catalog) -> Works:
    return Works(make_pool, Directory(catalog, domain=DOMAIN))


def test_a_fresh_worker_has_little_to_tell(works: Works) -> None:
    """Every part is there from the start; what there is nothing of is an empty list or 0."""
    report = works.ask()

    assert set(report) == KEYS[""]
    for part in ("pool", "budget", "gc", "limits"):
        assert set(report[part]) == KEYS[part]
    assert report["failures"] == report["slowest_builds"] == report["leaks"] == []
    assert report["expensive"] == {"wall": [], "cpu": [], "database": []}
    assert set(report["pool"].values()) == {0}


def test_a_troubled_worker_tells_all_of_it(works: Works) -> None:
    """Names are those that readers look for, in each part and each row, and all is plain JSON."""
    works.make_trouble()
    report = works.ask()

    assert set(report) == KEYS[""]
    for part in ("pool", "budget", "gc", "limits"):
        assert set(report[part]) == KEYS[part]
    for part in ("failures", "slowest_builds", "leaks"):
        assert report[part]
        assert all(set(row) == KEYS[part] for row in report[part])
    for rows in report["expensive"].values():
        assert len(rows) == MOST_EXPENSIVE
        assert all(set(row) == KEYS["expensive"] for row in rows)


def test_it_says_who_it_is(works: Works) -> None:
    """Process, number, release, start and threads."""
    report = works.ask()

    assert (report["pid"], report["worker"]) == (os.getpid(), 2)
    assert report["version"] == version("tenantry")
    assert report["threads"] == threading.active_count()
    assert time.time() - 60 < report["started_at"] <= time.time()
    assert works.ask()["started_at"] == report["started_at"]


def test_the_figures_are_what_happened(works: Works) -> None:
    """Each figure stands under the name of what it counts."""
    works.make_trouble()
    report = works.ask()
    pool, stats = report["pool"], works.pool.stats()

    assert pool == {name: getattr(stats, name) for name in KEYS["pool"]}
    assert (pool["instances"], pool["builds"], pool["failures"]) == (2, 5, 2)
    assert (pool["backing_off"], pool["retirements"], pool["disposals"]) == (2, 1, 1)
    assert report["limits"] == {"refused_tenant": 1, "refused_client": 5}
    assert report["budget"] == {
        "instances": [2, 50],
        "memory_mb": [81.2, 768],
        "connections": [7, 200],
        "descriptors": [31, 1000],
    }
    assert report["gc"]["thaws"] == 1


def test_failures_say_what_serves_instead(works: Works) -> None:
    """The latest one first; a site that is down differs from one that serves its older revision."""
    works.make_trouble()
    crux, acme = works.ask()["failures"]

    assert (crux["slug"], crux["revision"], crux["serving"]) == ("crux", 1, None)
    assert (acme["slug"], acme["revision"], acme["serving"]) == ("acme", 2, 1)
    assert acme["problem"] == "ValueError: no such theme"
    assert acme["tenant"] == ACME.id


def test_slow_builds_say_where_the_time_went(works: Works) -> None:
    """Each with its steps, as pairs of a name and seconds."""
    works.make_trouble()
    builds = works.ask()["slowest_builds"]

    assert len(builds) == 3
    for build in builds:
        names = [name for name, _ in build["steps"]]
        assert names == ["thread", "factory"] + ["probe"] * (build["revision"] == 2)
        assert all(isinstance(seconds, float) for _, seconds in build["steps"])


def test_each_list_of_the_expensive_has_its_order(works: Works) -> None:
    """Most of what the list is about comes first."""
    works.make_trouble()
    expensive = works.ask()["expensive"]

    last = MOST_EXPENSIVE + 4
    assert (expensive["wall"][0]["slug"], expensive["wall"][0]["tenant"]) == (f"t{last}", str(last))
    assert expensive["cpu"][0]["slug"] == "t0"
    for by, rows in expensive.items():
        assert [row[by] for row in rows] == sorted((row[by] for row in rows), reverse=True)


def test_what_does_not_die_is_a_leak(works: Works) -> None:
    """Whose instance it was, since when, and what kind of thing holds it."""
    works.make_trouble()
    (leak,) = works.ask()["leaks"]

    assert (leak["tenant"], leak["slug"]) == (BOLT.id, "bolt")
    assert "list" in leak["held_by"]
    assert time.time() - 60 < leak["since"] <= time.time()


def test_it_may_be_asked_while_everything_moves(works: Works) -> None:
    """A reader disturbs nobody, and gets a whole document at any moment."""
    done = threading.Event()

    def move() -> None:
        for number in range(300):
            serve(works.pool, a_tenant(f"t{number % 20}", revision=number))
            works.ledger.add(str(number), "slug", wall=1.0)
        done.set()

    thread = threading.Thread(target=move, daemon=True)
    thread.start()
    asked = 0
    while not done.is_set():
        assert set(works.ask()) == KEYS[""]
        asked += 1
    thread.join()

    assert asked
