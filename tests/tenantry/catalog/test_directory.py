"""From host to tenant: remembered, bounded, and never older than the last change."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, Catalog, Store
from tenantry.catalog.directory import Directory
from tenantry.errors import CatalogUnavailableError, LookupLimitError, TenantRenamedError
from tenantry.values.tenant import Tenant, TenantState
from tests.conftest import DOMAIN, eventually
from tests.tenantry.support import FakeClock, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Select

    OpenCatalog = Callable[..., Catalog]

ACME = f"acme.{DOMAIN}"
LATER = datetime.now(UTC) + timedelta(days=1)


class ProbeStore(Store):
    """A store that counts look-ups, and can be down, fast, or interrupted at a chosen moment."""

    asked = 0
    down = False
    empty = False
    """Answer "nobody" without the database, as fast as a flood needs."""
    before_answer: Callable[[], None] = staticmethod(lambda: None)

    def fetch(self, query: Select[Any], key: str) -> Sequence[Any]:
        self.asked += 1
        if self.down:
            raise CatalogUnavailableError("no answer")
        rows = () if self.empty else super().fetch(query, key)
        self.before_answer()
        return rows

    @contextmanager
    def connection(self, **options: Any) -> Iterator[Connection]:
        if self.down:
            raise CatalogUnavailableError("no answer")
        with super().connection(**options) as connection:
            yield connection
        self.before_answer()


class Probe(Catalog):
    """A catalog on such a store."""

    store: ProbeStore


def add(catalog: Catalog, slug: str = "acme") -> Tenant:
    tenant = catalog.tenants.add(slug, name=slug.title(), by=SYSTEM)
    return catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)[0]


@pytest.fixture
def probe(sqlite_url: str, catalog: Catalog) -> Iterator[Probe]:
    """Return a second view of the catalog, on the same node."""
    store = ProbeStore(sqlite_url, signal=catalog.store.signal)
    with closing(store):
        yield Probe(store, domain=DOMAIN)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def directory(probe: Probe, clock: FakeClock) -> Directory:
    return Directory(probe, domain=DOMAIN, clock=clock)


# --- finding ------------------------------------------------------------------------------------


def test_hosts_are_found_whole(catalog: Catalog, directory: Directory) -> None:
    """Law 2: a host is a tenant's own, its slug under our domain, or nobody's."""
    acme = add(catalog)
    acme = catalog.hosts.add(acme.id, "shop.acme.org", proof="operator", by=SYSTEM)

    assert directory.find(ACME) == directory.find("shop.acme.org") == acme
    assert directory.find_by_slug("acme") == acme
    for host in (
        DOMAIN,
        f"acme{DOMAIN}",
        f"a.acme.{DOMAIN}",
        f"acme.x{DOMAIN}",
        f"acme.{DOMAIN}.evil.org",
        "acme",
        "acme.org",
        "x.shop.acme.org",
        f"xacme.{DOMAIN}",
        f"www.{DOMAIN}",
        "",
    ):
        assert directory.find(host) is None, host


def test_a_known_host_costs_no_question(
    catalog: Catalog, probe: Probe, directory: Directory
) -> None:
    """A host, known or unknown, is asked for once."""
    add(catalog)
    for _ in range(5):
        directory.find(ACME)
        directory.find("nobody.org")

    assert probe.store.asked == 2
    assert repr(directory) == "<Directory: 1 known, 1 unknown, epoch 2>"


@pytest.mark.parametrize(
    "slug",
    ["ACME", "a.b", "..", "", "-", "acme.", "a" * 8000 + ".b", "\u00e4", "www", f"a.{DOMAIN}"],
)
def test_what_cannot_be_a_slug_is_nobodys(probe: Probe, directory: Directory, slug: str) -> None:
    """Law 6: a path's first segment may be anything; only a slug costs a question or memory."""
    assert directory.find_by_slug(slug) is None

    assert probe.store.asked == 0
    assert "0 unknown" in repr(directory)


def test_every_state_is_found(catalog: Catalog, directory: Directory) -> None:
    """The directory knows states; what to answer is decided elsewhere."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    for state in (TenantState.PROVISIONING, TenantState.ACTIVE, TenantState.SUSPENDED):
        catalog.tenants.transition(tenant.id, state, by=SYSTEM)
        found = directory.find(ACME)
        assert found is not None
        assert found.state is state


def test_a_former_host_is_told_from_one_that_nobody_had(
    catalog: Catalog, probe: Probe, directory: Directory
) -> None:
    """Law 6, 7: who was renamed is said at the next question, and asked for once."""
    acme = add(catalog)
    assert directory.find(ACME) == acme
    for name in ("bolt", "coil"):
        acme = catalog.names.rename(acme.id, name, redirects_until=LATER, by=SYSTEM)
    asked = probe.store.asked
    for slug in ("acme", "bolt"):
        for _ in range(3):
            with pytest.raises(TenantRenamedError) as caught:
                directory.find_by_slug(slug)
            assert (caught.value.now, caught.value.redirects) == ("coil", True)
    assert probe.store.asked == asked + 2
    assert directory.find_by_slug("coil") == acme

    back = catalog.names.rename(acme.id, "acme", redirects_until=LATER, by=SYSTEM)
    assert directory.find(ACME) == back
    for slug in ("bolt", "coil"):
        with pytest.raises(TenantRenamedError, match="renamed to 'acme'"):
            directory.find_by_slug(slug)


def test_a_name_stops_leading_on_by_itself(catalog: Catalog, directory: Directory) -> None:
    """The time is looked at with each question: nothing in the catalog changes when it is over."""
    acme = add(catalog)
    until = datetime.now(UTC) + timedelta(seconds=2)
    catalog.names.rename(acme.id, "bolt", redirects_until=until, by=SYSTEM)

    def leads() -> bool:
        with pytest.raises(TenantRenamedError) as caught:
            directory.find(ACME)
        return caught.value.redirects

    assert leads()
    eventually(lambda: not leads())


def test_former_hosts_are_bounded(catalog: Catalog, probe: Probe) -> None:
    """Law 6: of more former names than fit, the one remembered first is looked up again."""
    directory = Directory(probe, domain=DOMAIN, unknown=2, lookups=10**6)
    acme = add(catalog)
    for name in ("n1", "n2", "n3"):
        catalog.names.rename(acme.id, name, redirects_until=LATER, by=SYSTEM)
    for slug in ("acme", "n1", "n2"):
        with pytest.raises(TenantRenamedError):
            directory.find_by_slug(slug)
    assert list(directory._former) == [f"n1.{DOMAIN}", f"n2.{DOMAIN}"]
    assert directory._hosts_of == {acme.id: set(directory._former)}
    catalog.tenants.configure(acme.id, name="Acme 2", by=SYSTEM)
    assert directory.find_by_slug("nobody") is None

    assert not directory._former
    assert not directory._hosts_of


# --- bounded ------------------------------------------------------------------------------------


def test_random_hosts_push_no_tenant_out(catalog: Catalog, probe: Probe, clock: FakeClock) -> None:
    """Law 6: 20,000 random hosts fill a bounded memory of their own and nothing else."""
    directory = Directory(probe, domain=DOMAIN, unknown=1000, lookups=10**6, clock=clock)
    add(catalog)
    directory.find(ACME)
    probe.store.empty = True
    for number in range(10_000):
        assert directory.find(f"h{number}.example.org") is None
        assert directory.find(f"h{number}.{DOMAIN}") is None
    asked = probe.store.asked

    assert repr(directory).startswith("<Directory: 1 known, 1000 unknown")
    assert directory.find(ACME) is not None
    assert probe.store.asked == asked


def test_known_hosts_are_bounded_by_use(catalog: Catalog, probe: Probe) -> None:
    """Law 6: of more tenants than fit, those asked for longest ago are looked up again."""
    directory = Directory(probe, domain=DOMAIN, known=3, lookups=10**6)
    tenants = [add(catalog, f"t{number}") for number in range(4)]
    hosts = [f"{tenant.slug}.{DOMAIN}" for tenant in tenants]
    for host in (hosts[0], hosts[1], hosts[2], hosts[0], hosts[3]):
        directory.find(host)
    asked = probe.store.asked
    directory.find(hosts[0])
    assert probe.store.asked == asked
    directory.find(hosts[1])
    assert probe.store.asked == asked + 1

    for tenant in tenants:
        catalog.tenants.transition(tenant.id, TenantState.SUSPENDED, by=SYSTEM)
    for host in hosts:
        found = directory.find(host)
        assert found is not None
        assert found.state is TenantState.SUSPENDED
    assert set(directory._hosts_of) == {tenant.id for tenant in directory._known.values()}


def test_a_flood_of_unknown_hosts_is_refused(
    catalog: Catalog, probe: Probe, clock: FakeClock
) -> None:
    """Law 6: beyond its budget the catalog is not asked; known hosts are served all the while."""
    directory = Directory(probe, domain=DOMAIN, lookups=5, clock=clock)
    acme = add(catalog)
    assert directory.find(ACME) == acme
    for number in range(9):
        assert directory.find(f"h{number}.example.org") is None
    with pytest.raises(LookupLimitError) as caught:
        directory.find("h9.example.org")

    assert caught.value.retry_after
    assert probe.store.asked == 10
    assert directory.find(ACME) == acme
    assert directory.find("h0.example.org") is None
    clock.advance(1)
    assert directory.find("h9.example.org") is None


# --- a change is seen ---------------------------------------------------------------------------


def test_a_change_is_seen_at_the_next_question(catalog: Catalog, directory: Directory) -> None:
    """Law 7: state, settings and hosts are those of the last commit."""
    acme = add(catalog)
    assert directory.find(ACME) == acme
    changed = catalog.tenants.transition(acme.id, TenantState.SUSPENDED, by=SYSTEM)
    assert directory.find(ACME) == changed
    changed = catalog.tenants.transition(acme.id, TenantState.ACTIVE, by=SYSTEM)
    assert directory.find(ACME) == changed
    changed = catalog.tenants.configure(acme.id, name="Acme 2", by=SYSTEM)
    assert directory.find(ACME) == changed
    changed = catalog.hosts.add(acme.id, "acme.org", proof="operator", by=SYSTEM)
    assert directory.find(ACME) == changed


def test_an_unknown_host_becomes_known(catalog: Catalog, directory: Directory) -> None:
    """Law 7: who tried a name before it was taken is let in right after."""
    assert directory.find(ACME) is None
    assert directory.find("acme.org") is None
    acme = add(catalog)
    assert directory.find(ACME) == acme
    acme = catalog.hosts.add(acme.id, "acme.org", proof="operator", by=SYSTEM)
    assert directory.find("acme.org") == acme


def test_a_host_that_moves_is_never_at_two_places(catalog: Catalog, directory: Directory) -> None:
    """Law 7: a host that goes from one tenant to another is nobody's in between."""
    acme, bolt = add(catalog), add(catalog, "bolt")
    catalog.hosts.add(acme.id, "shop.org", proof="operator", by=SYSTEM)
    found = directory.find("shop.org")
    assert found is not None
    assert found.id == acme.id
    catalog.hosts.remove(acme.id, "shop.org", by=SYSTEM)
    assert directory.find("shop.org") is None
    catalog.hosts.add(bolt.id, "shop.org", proof="operator", take_over=True, by=SYSTEM)
    found = directory.find("shop.org")
    assert found is not None
    assert found.id == bolt.id


def test_a_pending_host_is_nobodys(catalog: Catalog, directory: Directory) -> None:
    """R30: a host that nobody has verified is not served, by any look-up, until it is."""
    acme = add(catalog)
    acme = catalog.hosts.add(acme.id, "shop.org", by=SYSTEM)
    assert (acme.hosts, directory.find(ACME), directory.find("shop.org")) == ((), acme, None)
    assert catalog.tenants.find_by_host("shop.org") is None
    assert catalog.changes.read_since(0).hosts == {acme.id: ()}
    acme = catalog.hosts.add(acme.id, "shop.org", proof="dns", by=SYSTEM)
    assert directory.find("shop.org") == directory.find(ACME) == acme


def test_a_forgotten_tenant_is_gone(catalog: Catalog, directory: Directory) -> None:
    """Law 7: a creation that was taken back leaves no host behind."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    assert directory.find(ACME) == tenant
    catalog.provisioning.forget(tenant.id, by=SYSTEM)
    assert directory.find(ACME) is None
    assert directory.find(ACME) is None


def test_every_directory_of_the_node_sees_a_change(
    sqlite_url: str, open_catalog_at: OpenCatalog
) -> None:
    """Law 7: workers share one counter; a change through any of them reaches all."""
    catalogs = [open_catalog_at(sqlite_url) for _ in range(4)]
    directories = [Directory(catalog, domain=DOMAIN) for catalog in catalogs]
    acme = add(catalogs[0])
    for number in range(8):
        state = TenantState.SUSPENDED if number % 2 == 0 else TenantState.ACTIVE
        catalogs[number % 4].tenants.transition(acme.id, state, by=SYSTEM)
        found = [directory.find(ACME) for directory in directories]
        assert [tenant.state for tenant in found if tenant] == [state] * 4


COMMAND = """
import sys
from pathlib import Path
from tenantry.catalog import SYSTEM, Catalog, ChangeSignal, Store
from tenantry.values.tenant import TenantState

url, signal = sys.argv[1:]
catalog = Catalog(Store(url, signal=ChangeSignal(Path(signal))), domain="example.test")
catalog.tenants.transition(catalog.tenants.get("acme").id, TenantState.SUSPENDED, by=SYSTEM)
"""


def test_a_change_by_a_command_is_seen(
    catalog: Catalog, directory: Directory, sqlite_url: str, tmp_path: Path
) -> None:
    """Law 7: another process of the node needs no more than the counter's file."""
    add(catalog)
    assert directory.find(ACME)
    signal = tmp_path / "node" / "epoch"
    subprocess.run([sys.executable, "-c", COMMAND, sqlite_url, str(signal)], check=True)

    found = directory.find(ACME)
    assert found is not None
    assert found.state is TenantState.SUSPENDED


def test_listeners_hear_what_changed(catalog: Catalog, directory: Directory) -> None:
    """Law 7: the pool is told ids and revisions, or that anything may have changed."""
    heard: list[Any] = []

    def broken(_: Any) -> None:
        raise RuntimeError("a listener's own trouble")

    directory.subscribe(broken)
    directory.subscribe(heard.append)
    acme = add(catalog)
    directory.find(ACME)
    changed = catalog.tenants.configure(acme.id, name="Acme 2", by=SYSTEM)
    directory.find(ACME)
    directory.find(ACME)

    assert heard == [None, {acme.id: changed.revision}]


def test_an_answer_overtaken_by_a_change_is_not_kept(
    catalog: Catalog, probe: Probe, directory: Directory
) -> None:
    """Law 7: a slow look-up that returns after the change does not bring the old state back."""
    acme = add(catalog)
    directory.find("warm.up.org")
    reached, go_on = threading.Event(), threading.Event()

    def pause() -> None:
        reached.set()
        assert go_on.wait(30)

    probe.store.before_answer = pause
    slow = threading.Thread(target=directory.find, args=(ACME,))
    slow.start()
    assert reached.wait(30)
    probe.store.before_answer = lambda: None
    catalog.tenants.transition(acme.id, TenantState.SUSPENDED, by=SYSTEM)
    directory.find("other.org")
    go_on.set()
    slow.join()

    found = directory.find(ACME)
    assert found is not None
    assert found.state is TenantState.SUSPENDED


def test_a_missing_host_overtaken_by_its_creation_is_not_kept(
    catalog: Catalog, probe: Probe, directory: Directory
) -> None:
    """Law 7: "nobody has it" is not remembered if somebody got it meanwhile."""
    directory.find("warm.up.org")
    probe.store.before_answer = lambda: overtake()  # noqa: PLW0108

    def overtake() -> None:
        probe.store.before_answer = lambda: None
        add(catalog)
        directory.find("other.org")

    assert directory.find(ACME) is None
    assert directory.find(ACME) is not None


def test_poll_heals_what_the_counter_missed(
    sqlite_url: str, open_catalog_at: OpenCatalog, directory: Directory, catalog: Catalog
) -> None:
    """Law 7: numbers are compared, messages only wake: a lost message costs one poll."""
    acme = add(catalog)
    assert directory.find(ACME) == acme
    elsewhere = open_catalog_at(sqlite_url, node="another node")
    changed = elsewhere.tenants.configure(acme.id, name="Acme 2", by=SYSTEM)
    assert directory.find(ACME) == acme
    directory.poll()
    assert directory.find(ACME) == changed
    directory.poll()
    assert directory.find(ACME) == changed


def test_a_late_poll_hides_no_change(
    sqlite_url: str, open_catalog_at: OpenCatalog, probe: Probe, catalog: Catalog
) -> None:
    """Law 7: a worker that polls while somebody commits does not turn the node's counter back."""
    idle = Directory(probe, domain=DOMAIN)
    idle.poll()
    busy = Directory(open_catalog_at(sqlite_url), domain=DOMAIN)
    acme = add(catalog)
    assert busy.find(ACME) == acme

    def overtake() -> None:
        probe.store.before_answer = lambda: None
        catalog.tenants.transition(acme.id, TenantState.SUSPENDED, by=SYSTEM)

    probe.store.before_answer = overtake
    idle.poll()

    found = busy.find(ACME)
    assert found is not None
    assert found.state is TenantState.SUSPENDED


def test_pruned_changes_mean_forget_everything(
    sqlite_url: str, open_catalog_at: OpenCatalog, directory: Directory, catalog: Catalog
) -> None:
    """Law 7: a worker that was away too long starts from nothing, on its side of the counter."""
    acme = add(catalog)
    assert directory.find(ACME) == acme
    assert directory.find("nobody.org") is None
    elsewhere = open_catalog_at(sqlite_url, node="another node")
    changed = elsewhere.tenants.configure(acme.id, name="Acme 2", by=SYSTEM)
    with elsewhere.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM changes")
    directory.poll()

    assert repr(directory).startswith("<Directory: 0 known, 0 unknown")
    assert directory.find(ACME) == changed


def test_a_catalog_restored_from_the_past_is_believed(
    directory: Directory, catalog: Catalog
) -> None:
    """Law 7: numbers that go back are as good a sign of change as any."""
    acme = add(catalog)
    assert directory.find(ACME) == acme
    with catalog.store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM changes")
        connection.exec_driver_sql("UPDATE heads SET epoch = 0")
        connection.exec_driver_sql("UPDATE tenants SET name = 'Old Acme', revision = 1")
    directory.poll()

    found = directory.find(ACME)
    assert found is not None
    assert found.name == "Old Acme"


def test_threads_see_every_change(catalog: Catalog, probe: Probe) -> None:
    """Law 7: while three threads ask, nobody is told a revision older than one that was committed."""
    directory = Directory(probe, domain=DOMAIN, lookups=10**6)
    acme = add(catalog)
    committed = [acme.revision]

    def work(number: int) -> list[str]:
        if number == 0:
            for step in range(12):
                changed = catalog.tenants.configure(acme.id, name=f"Acme {step}", by=SYSTEM)
                committed[0] = changed.revision
            committed.append(0)
            return []
        late = []
        while len(committed) == 1:
            newest = committed[0]
            found = directory.find(ACME)
            if found is None or found.revision < newest:
                late.append(f"{found} after {newest}")
        return late

    assert at_once(4, work) == [[]] * 4


# --- stale beats dead ---------------------------------------------------------------------------


def test_known_tenants_outlive_the_catalog(
    catalog: Catalog, probe: Probe, directory: Directory, clock: FakeClock
) -> None:
    """Law 8: without the catalog known hosts are served, others are an error, and it heals."""
    acme = add(catalog)
    assert directory.find(ACME) == acme
    probe.store.down = True
    changed = catalog.tenants.configure(acme.id, name="Acme 2", by=SYSTEM)
    for _ in range(3):
        assert directory.find(ACME) == acme
    with pytest.raises(CatalogUnavailableError):
        directory.find(f"bolt.{DOMAIN}")
    directory.poll()

    probe.store.down = False
    clock.advance(1)
    assert directory.find(ACME) == changed
    assert directory.find(f"bolt.{DOMAIN}") is None


def test_a_dead_catalog_is_left_alone(probe: Probe, directory: Directory, clock: FakeClock) -> None:
    """Law 4, 8: while it is down, strangers do not take one thread after another to find that out."""
    directory.find("warm.up.org")
    asked = probe.store.asked
    probe.store.down = True
    for number in range(20):
        with pytest.raises(CatalogUnavailableError):
            directory.find(f"h{number}.org")
    assert probe.store.asked == asked + 1

    probe.store.down = False
    clock.advance(1)
    assert directory.find("h0.org") is None
