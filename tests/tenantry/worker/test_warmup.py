"""Who was used most is built before the first visitor asks, on a real catalog and pool."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.directory import Directory
from tenantry.resources.popularity import KEPT, LEFT_BEHIND, MAX_LISTED, Popularity
from tenantry.resources.usage import Ledger
from tenantry.values.tenant import TenantState
from tenantry.worker.warmup import WarmUp
from tests.conftest import DOMAIN, eventually
from tests.tenantry.support import Instance, Workshop, at_once, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.pool import InstancePool
    from tenantry.values.tenant import Tenant

    MakePool = Callable[..., InstancePool[Instance]]


def write(folder: Path, counts: Any, *, worker: int = 1) -> Path:
    """Leave a list as a worker of the last generation has left it."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{worker}.json"
    file.write_text(counts if isinstance(counts, str) else json.dumps(counts))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "popular"


# --- who was asked for how often ----------------------------------------------------------------


class Generation:
    """A generation of workers that share a folder."""

    def __init__(self, folder: Path, workers: int = 1) -> None:
        self.ledgers = [Ledger() for _ in range(workers)]
        self.popularities = [
            Popularity(folder, number, ledger) for number, ledger in enumerate(self.ledgers, 1)
        ]
        self.found = [popularity.load() for popularity in self.popularities]

    def ask(self, worker: int = 1, **counts: int) -> None:
        for tenant_id, requests in counts.items():
            for _ in range(requests):
                self.ledgers[worker - 1].add(tenant_id, tenant_id, wall=0.0)

    def save(self) -> None:
        for popularity in self.popularities:
            popularity.save()


def counts_in(folder: Path) -> dict[str, float]:
    """Return what all lists together say."""
    counts: dict[str, float] = {}
    for file in folder.glob("*.json"):
        for tenant_id, requests in json.loads(file.read_text()).items():
            counts[tenant_id] = counts.get(tenant_id, 0) + requests
    return counts


def test_the_first_generation_finds_nothing(folder: Path) -> None:
    """Without a folder there is nobody to build, and nothing goes wrong."""
    assert Generation(folder).found == [[]]


def test_the_next_generation_finds_the_most_used_first(folder: Path) -> None:
    """What one worker has counted its successor knows, in order."""
    workers = Generation(folder)
    workers.ask(a=2, b=5, c=1)
    workers.save()

    assert Generation(folder).found == [["b", "a", "c"]]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_lists_of_all_workers_are_added(folder: Path) -> None:
    """A tenant that every worker was asked for a little is as popular as one's favourite."""
    workers = Generation(folder, workers=3)
    for worker in (1, 2, 3):
        workers.ask(worker, everywhere=3)
    workers.ask(1, once=8)
    workers.ask(3, least=1)
    workers.save()

    assert Generation(folder, workers=3).found == [["everywhere", "once", "least"]] * 3
    assert counts_in(folder) == {"everywhere": 9, "once": 8, "least": 1}


def test_counts_decay_by_generation(folder: Path) -> None:
    """What was asked for long ago makes room for what is asked for now, but not all at once."""
    workers = Generation(folder, workers=2)
    workers.ask(1, old=100)
    workers.save()
    workers = Generation(folder, workers=2)
    workers.ask(2, new=60)
    workers.save()
    workers.save()  # saying it again changes nothing
    assert counts_in(folder) == {"old": 100 * KEPT, "new": 60}

    assert Generation(folder, workers=2).found == [["new", "old"]] * 2
    assert counts_in(folder) == {"old": 100 * KEPT, "new": 60}  # reading changes nothing


def test_two_reloads_in_a_row_forget_nobody(folder: Path) -> None:
    """A quiet site is asked for a few times a day; reloading twice must not lose it."""
    workers = Generation(folder, workers=4)
    workers.ask(1, quiet=3, quieter=1)
    workers.save()
    for _ in range(3):
        Generation(folder, workers=4).save()

    assert Generation(folder, workers=4).found[0] == ["quiet", "quieter"]


def test_a_worker_that_ends_before_it_has_read_keeps_the_list(folder: Path) -> None:
    """A worker that is stopped while it starts must not write an empty list over a good one."""
    write(folder, {"a": 8, "b": 4})
    Popularity(folder, 1, Ledger()).save()

    assert Generation(folder).found == [["a", "b"]]


def test_the_lists_of_workers_that_are_no_more_are_left_out(folder: Path) -> None:
    """With eight workers yesterday and two today, yesterday's favourites of the six fade."""
    write(folder, {"today": 5}, worker=1)
    newest = write(folder, {"today": 5}, worker=2).stat().st_mtime
    ages = {3: LEFT_BEHIND + 1, 4: LEFT_BEHIND / 2}
    for worker, age in ages.items():
        file = write(folder, {f"of {worker}": 1000}, worker=worker)
        os.utime(file, (newest - age, newest - age))

    assert Generation(folder).found == [["of 4", "today"]]


def test_a_long_outage_forgets_nobody(folder: Path) -> None:
    """How long ago it was does not count, only who was there last."""
    for worker in (1, 2):
        os.utime(write(folder, {f"t{worker}": worker}, worker=worker), (1000.0, 1000.0 + worker))

    assert Generation(folder).found == [["t2", "t1"]]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param('{"a": 5', id="cut off"),
        pytest.param("[1, 2]", id="no counts"),
        pytest.param("null", id="nothing"),
        pytest.param('{"a": "many", "b": null, "c": [1], "d": -3}', id="no numbers"),
        pytest.param('{"a": NaN, "b": Infinity, "c": 1e400}', id="odd numbers"),
        pytest.param('{"a": 1' + "0" * 400 + "}", id="a number beyond all"),
        pytest.param("\x00\x00", id="zeros"),
    ],
)
def test_a_damaged_list_is_ignored(folder: Path, text: str) -> None:
    """What cannot be read was never written; the others count, and it is replaced."""
    write(folder, text, worker=1)
    write(folder, {"good": 3}, worker=2)
    workers = Generation(folder, workers=2)
    assert workers.found == [["good"]] * 2
    workers.save()

    assert Generation(folder, workers=2).found == [["good"]] * 2
    assert set(json.loads((folder / "1.json").read_text())) == {"good"}


def test_bytes_that_are_no_text_are_ignored(folder: Path) -> None:
    """A disk may give back anything."""
    write(folder, "").write_bytes(b"\xff\xfe{")

    assert Generation(folder).found == [[]]


def test_a_list_is_bounded(folder: Path) -> None:
    """Law 6: the least used of too many tenants are left out."""
    workers = Generation(folder)
    for number in range(MAX_LISTED + 50):
        workers.ask(**{f"t{number}": 1 if number < 50 else 2})
    workers.save()
    listed = json.loads((folder / "1.json").read_text())
    assert len(listed) == MAX_LISTED
    assert set(listed.values()) == {2}

    workers = Generation(folder)
    workers.ask(**{f"new{number}": 3 for number in range(100)})
    workers.save()
    assert len(json.loads((folder / "1.json").read_text())) == MAX_LISTED


def test_a_reader_never_sees_half_a_list(folder: Path) -> None:
    """Saving replaces the list in one step and leaves no draft behind."""
    workers = Generation(folder)
    workers.ask(**{f"t{number}": 1 for number in range(500)})
    workers.save()
    done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            for _ in range(100):
                workers.save()
            done.set()
            return 1
        reads = 0
        while not done.is_set():
            assert len(json.loads((folder / "1.json").read_text())) == 500
            reads += 1
        return reads

    assert all(result > 0 for result in at_once(3, work))
    assert [file.name for file in folder.iterdir()] == ["1.json"]


# --- building -----------------------------------------------------------------------------------


class Platform:
    """A catalog with tenants, a pool, and a warm-up between them."""

    def __init__(self, catalog: Catalog, folder: Path, make_pool: MakePool) -> None:
        self.catalog = catalog
        self.folder = folder
        self.workshop = Workshop()
        self.make_pool = make_pool
        self.pool = make_pool(self.workshop.build, dispose=self.workshop.dispose)
        self.directory = Directory(catalog, domain=DOMAIN)
        self.probed: list[str] = []
        self.probing: Callable[[Instance, Tenant], None] = lambda _instance, _tenant: None
        self.ids: dict[str, str] = {}

    def add(self, *slugs: str, host: str = "") -> None:
        for slug in slugs:
            tenant = self.catalog.tenants.add(slug, name=slug, by=SYSTEM)
            self.catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)
            if host:
                self.catalog.hosts.add(tenant.id, host, proof="operator", by=SYSTEM)
            self.ids[slug] = tenant.id

    def move(self, slug: str, *states: TenantState) -> None:
        for state in states:
            self.catalog.tenants.transition(self.ids[slug], state, by=SYSTEM)

    def probe(self, instance: Instance, tenant: Tenant) -> None:
        assert instance.tenant.id == tenant.id
        self.probed.append(tenant.slug)
        self.probing(instance, tenant)

    def popular(self, *slugs: str) -> None:
        """Leave a list in which these were asked for, the first one most."""
        count = len(slugs)
        ids = [self.ids.get(slug, slug) for slug in slugs]
        write(self.folder, {tenant_id: count - number for number, tenant_id in enumerate(ids)})

    def warm_up(self, most: int = 100) -> WarmUp:
        return WarmUp(
            popularity=Popularity(self.folder, 1, Ledger()),
            catalog=self.catalog,
            directory=self.directory,
            pool=self.pool,
            probe=self.probe,
            most=most,
        )

    def run(self, most: int = 100) -> list[str]:
        """Warm up as a worker does; return whom it built."""
        self.warm_up(most).start()
        eventually(lambda: not warming())
        return [slug for slug, _ in self.workshop.built]


def warming() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "warm-up"]


@pytest.fixture
def platform(catalog: Catalog, folder: Path, make_pool: MakePool) -> Iterator[Platform]:
    yield Platform(catalog, folder, make_pool)
    eventually(lambda: not warming())


def test_the_most_used_are_built_first(platform: Platform) -> None:
    """In the order of the list, one after the other, each with its first request behind it."""
    platform.add("acme", "bolt", "crux")
    platform.popular("crux", "acme", "bolt")

    assert platform.run() == ["crux", "acme", "bolt"]
    assert platform.probed == ["crux", "acme", "bolt"]
    assert platform.pool.stats().instances == 3
    assert platform.pool.stats().leases == 0


def test_no_more_than_the_setting_are_built(platform: Platform) -> None:
    """TENANTRY_POOL_WARM is a number of instances; 0 is none."""
    platform.add("acme", "bolt", "crux")
    platform.popular("crux", "acme", "bolt")

    assert platform.run(most=0) == []
    assert platform.run(most=2) == ["crux", "acme"]


def test_closed_and_unknown_tenants_are_skipped(platform: Platform) -> None:
    """Who is not served is not built, and takes nobody's place among the most used."""
    platform.add("held", "gone", "acme", "bolt")
    platform.move("held", TenantState.SUSPENDED)
    platform.move("gone", TenantState.ARCHIVED, TenantState.DELETED)
    platform.popular("held", "gone", "0" * 32, "../../etc/passwd", "acme", "bolt")

    assert platform.run(most=2) == ["acme", "bolt"]


def test_the_first_visitor_costs_no_look_up(platform: Platform) -> None:
    """By its name or its own host: the directory knows the tenant already."""
    platform.add("acme", host="www.acme.org")
    platform.popular("acme")
    platform.run()
    asked: list[str] = []
    engine = platform.catalog.store.engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    found = [platform.directory.find(host) for host in (f"acme.{DOMAIN}", "www.acme.org")]

    assert asked == []
    assert [tenant.slug for tenant in found if tenant] == ["acme", "acme"]
    assert serve(platform.pool, found[0]).tenant.slug == "acme"  # type: ignore[arg-type]
    assert platform.workshop.built == [("acme", found[0].revision)]  # type: ignore[union-attr]


@pytest.mark.parametrize("error", [RuntimeError("no database"), SystemExit(1)], ids=repr)
def test_a_broken_factory_stops_nothing(platform: Platform, error: BaseException) -> None:
    """Law 4: one tenant's failure is its own; the next ones are built, and the thread ends well."""
    platform.add("acme", "bolt", "crux")
    platform.popular("acme", "bolt", "crux")
    platform.workshop.broken["bolt"] = error

    assert platform.run() == ["acme", "bolt", "crux"]
    assert platform.probed == ["acme", "crux"]
    assert platform.pool.stats().backing_off == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug in a view"), SystemExit(1)], ids=repr)
def test_a_broken_page_stops_nothing(platform: Platform, error: BaseException) -> None:
    """A first request that fails costs nobody the instance, and leaves no lease."""
    platform.add("acme", "bolt")
    platform.popular("acme", "bolt")

    def probing(_: Instance, tenant: Tenant) -> None:
        if tenant.slug == "acme":
            raise error

    platform.probing = probing

    assert platform.run() == ["acme", "bolt"]
    assert platform.probed == ["acme", "bolt"]
    assert platform.pool.stats().leases == 0
    assert platform.pool.stats().instances == 2


def test_nobody_is_pushed_out(platform: Platform) -> None:
    """A full pool stays as it is: whoever is in it was asked for."""
    platform.add("acme", "bolt", "crux")
    pool = platform.pool = platform.make_pool(
        platform.workshop.build, dispose=platform.workshop.dispose, max_instances=2
    )
    visited = platform.catalog.tenants.get("acme")
    serve(pool, visited)
    platform.popular("bolt", "crux")
    platform.run()

    assert [slug for slug, _ in platform.workshop.built] == ["acme", "bolt"]
    assert (pool.stats().instances, pool.stats().evictions) == (2, 0)
    assert platform.workshop.disposed == []


def test_a_visitor_waits_for_the_same_build(platform: Platform) -> None:
    """Law 3: who asks for what is being warmed gets that instance."""
    platform.add("acme")
    platform.popular("acme")
    door = platform.workshop.shut("acme")
    platform.warm_up().start()
    eventually(lambda: platform.workshop.built)
    served: list[Instance] = []
    tenant = platform.catalog.tenants.get("acme")
    visit = threading.Thread(target=lambda: served.append(serve(platform.pool, tenant)))
    visit.start()
    eventually(lambda: platform.pool.stats().waiting == 1)
    door.set()
    visit.join()

    assert len(served) == 1
    assert len(platform.workshop.built) == 1


def test_it_stops_when_told(platform: Platform) -> None:
    """A worker that ends begins no further build."""
    platform.add("acme", "bolt", "crux")
    platform.popular("acme", "bolt", "crux")
    door = platform.workshop.shut("acme")
    warm_up = platform.warm_up()
    warm_up.start()
    eventually(lambda: platform.workshop.built)
    warm_up.stop()
    door.set()
    eventually(lambda: not warming())

    assert [slug for slug, _ in platform.workshop.built] == ["acme"]


def test_it_goes_on_without_a_catalog(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    """A catalog that does not answer costs the warm-up, not the worker."""
    platform.add("acme", "bolt")
    platform.popular("acme", "bolt")
    with platform.catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE tenants RENAME TO elsewhere")

    assert platform.run() == []
    assert "warming up" in caplog.text


def test_what_one_generation_used_the_next_one_builds(platform: Platform, catalog: Catalog) -> None:
    """From real requests to warm instances: the whole way."""
    platform.add("acme", "bolt", "crux")
    ledger = Ledger()
    popularity = Popularity(platform.folder, 1, ledger)
    popularity.load()
    for slug in ("bolt", "acme", "bolt"):
        ledger.add(catalog.tenants.get(slug).id, slug, wall=0.01)
    popularity.save()

    assert platform.run() == ["bolt", "acme"]
