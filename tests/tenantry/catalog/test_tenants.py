"""Tenants and hosts in the catalog, on SQLite and PostgreSQL alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.catalog import SYSTEM, Actor, Catalog, ChangeSignal, Store, TenantRow, tenants
from tenantry.catalog.models import TenantRecord
from tenantry.errors import (
    BadHostError,
    BadSlugError,
    BadTransitionError,
    HostNotFoundError,
    HostTakenError,
    TenantExistsError,
    TenantNotFoundError,
)
from tenantry.values.tenant import TRANSITIONS, Tenant, TenantState
from tests.conftest import DOMAIN
from tests.tenantry.support import at_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLGA = Actor("owner", "olga@example.com", ip="192.0.2.7", request_id="abcdefgh-1")
NOBODY = "0" * 32
S = TenantState


def add(catalog: Catalog, slug: str = "acme", **values: Any) -> Tenant:
    """Add a tenant and let visitors in."""
    tenant = catalog.tenants.add(slug, name=values.pop("name", slug.title()), by=SYSTEM, **values)
    return catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)[0]


def actions(catalog: Catalog) -> list[str]:
    return [event.action for event in reversed(catalog.audit.list(size=100).items)]


def test_a_new_tenant_is_found_by_slug_and_id(any_catalog: Catalog) -> None:
    """A tenant starts in state provisioning, with an opaque id, at revision 1."""
    tenant = any_catalog.tenants.add(
        "acme", name=" Acme Inc. ", settings={"tagline": "Quality"}, by=OLGA
    )

    assert (tenant.slug, tenant.name, tenant.state) == ("acme", "Acme Inc.", S.PROVISIONING)
    assert (tenant.revision, tenant.hosts, dict(tenant.settings)) == (1, (), {"tagline": "Quality"})
    assert len(tenant.id) == 32
    assert any_catalog.tenants.get("acme") == any_catalog.tenants.get_by_id(tenant.id) == tenant


def test_who_is_not_there_is_not_found(any_catalog: Catalog) -> None:
    """``find_*`` answers None, ``get_*`` raises."""
    assert any_catalog.tenants.find("acme") is None
    assert any_catalog.tenants.find_by_id(NOBODY) is None
    assert any_catalog.tenants.find_by_host("acme.org") is None
    for get in (
        any_catalog.tenants.get,
        any_catalog.tenants.get_by_id,
        any_catalog.tenants.get_row,
    ):
        with pytest.raises(TenantNotFoundError):
            get("acme")


@pytest.mark.parametrize(
    "write",
    [
        lambda catalog: catalog.tenants.transition(NOBODY, S.ACTIVE, by=SYSTEM),
        lambda catalog: catalog.tenants.configure(NOBODY, name="x", by=SYSTEM),
        lambda catalog: catalog.provisioning.forget(NOBODY, by=SYSTEM),
        lambda catalog: catalog.hosts.add(NOBODY, "acme.org", proof="operator", by=SYSTEM),
        lambda catalog: catalog.hosts.remove(NOBODY, "acme.org", by=SYSTEM),
        lambda catalog: catalog.provisioning.activate({NOBODY: None}, by=SYSTEM),
    ],
    ids=["move", "configure", "forget", "add_host", "remove_host", "activate"],
)
def test_nothing_is_done_to_a_tenant_that_is_not_there(
    any_catalog: Catalog, write: Callable[[Catalog], object]
) -> None:
    """Law 12: what is refused leaves neither a change nor an audit row."""
    with pytest.raises(TenantNotFoundError):
        write(any_catalog)

    assert any_catalog.changes.read_epoch() == 0
    assert actions(any_catalog) == []


def test_a_slug_is_given_away_once(any_catalog: Catalog) -> None:
    """R29: a slug belongs to one tenant, also after the tenant is deleted."""
    tenant = add(any_catalog)
    for state in (S.ARCHIVED, S.DELETED):
        any_catalog.tenants.transition(tenant.id, state, by=SYSTEM)
    with pytest.raises(TenantExistsError, match="acme"):
        any_catalog.tenants.add("acme", name="Another", by=SYSTEM)

    assert any_catalog.tenants.get("acme").id == tenant.id


def test_of_two_who_want_a_slug_one_gets_it(any_catalog: Catalog) -> None:
    """Uniqueness is the database's, so that two processes cannot both win."""
    results = at_once(
        6, lambda number: any_catalog.tenants.add("acme", name=str(number), by=SYSTEM)
    )

    assert sum(isinstance(result, Tenant) for result in results) == 1
    assert sum(isinstance(result, TenantExistsError) for result in results) == 5
    assert actions(any_catalog) == ["tenant.create"]


@pytest.mark.parametrize("slug", ["www", "Acme", "a--b", "a b", "", "a\n"])
def test_the_catalog_takes_no_bad_slug(catalog: Catalog, slug: str) -> None:
    """R27: whoever asks, the rule holds at the lowest place."""
    with pytest.raises(BadSlugError):
        catalog.tenants.add(slug, name="x", by=SYSTEM)


@pytest.mark.parametrize("before", list(S))
@pytest.mark.parametrize("after", list(S))
def test_states_move_as_the_table_says(catalog: Catalog, before: S, after: S) -> None:
    """Every move in the table works, every other one is refused and changes nothing."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    for step in ROUTES[before]:
        tenant = catalog.tenants.transition(tenant.id, step, by=SYSTEM)
    epoch = catalog.changes.read_epoch()

    if after == before:
        assert catalog.tenants.transition(tenant.id, after, by=SYSTEM) == tenant
        assert catalog.changes.read_epoch() == epoch
    elif after in TRANSITIONS[before]:
        moved = catalog.tenants.transition(tenant.id, after, by=SYSTEM)
        assert (moved.state, moved.revision) == (after, tenant.revision + 1)
        assert catalog.changes.read_epoch() == epoch + 1
    else:
        with pytest.raises(BadTransitionError) as caught:
            catalog.tenants.transition(tenant.id, after, by=SYSTEM)
        assert (caught.value.current, caught.value.wanted) == (before, after)
        assert catalog.tenants.get("acme") == tenant
        assert catalog.changes.read_epoch() == epoch


ROUTES: dict[S, tuple[S, ...]] = {
    S.PROVISIONING: (),
    S.ACTIVE: (S.ACTIVE,),
    S.MAINTENANCE: (S.ACTIVE, S.MAINTENANCE),
    S.SUSPENDED: (S.ACTIVE, S.SUSPENDED),
    S.ARCHIVED: (S.ACTIVE, S.ARCHIVED),
    S.DELETED: (S.DELETED,),
}


def test_what_is_deleted_comes_back_to_archived_only() -> None:
    """Law 11: a deletion can be taken back, and never by serving at once what was deleted."""
    assert TRANSITIONS[S.DELETED] == {S.ARCHIVED}
    assert set(TRANSITIONS) == set(S)


def test_the_reason_stands_beside_the_state(any_catalog: Catalog) -> None:
    """An operator's words about a suspension are kept, and go with it."""
    tenant = add(any_catalog)
    any_catalog.tenants.transition(tenant.id, S.SUSPENDED, reason="unpaid " * 200, by=SYSTEM)
    assert any_catalog.tenants.get_row("acme").reason.startswith("unpaid unpaid")
    any_catalog.tenants.transition(tenant.id, S.ACTIVE, by=SYSTEM)
    assert any_catalog.tenants.get_row("acme").reason == ""


def test_configuring_merges(any_catalog: Catalog) -> None:
    """Settings that are not named stay; what is the same already is no change."""
    tenant = add(any_catalog, settings={"tagline": "Old", "accent": "#112233"})
    changed = any_catalog.tenants.configure(
        tenant.id, name="Acme & Sons", settings={"tagline": "New", "listed": True}, by=OLGA
    )
    epoch = any_catalog.changes.read_epoch()
    again = any_catalog.tenants.configure(
        tenant.id, name="Acme & Sons", settings={"tagline": "New"}, by=OLGA
    )

    assert changed.name == "Acme & Sons"
    assert dict(changed.settings) == {"tagline": "New", "accent": "#112233", "listed": True}
    assert changed.revision == tenant.revision + 1
    assert again == changed
    assert any_catalog.changes.read_epoch() == epoch
    event = any_catalog.audit.list().items[0]
    assert event.detail["before"] == {"name": "Acme", "tagline": "Old", "listed": None}
    assert event.detail["after"] == {"name": "Acme & Sons", "tagline": "New", "listed": True}


@pytest.mark.parametrize("name", ["", "   ", "\t\n"])
def test_a_site_never_loses_its_name(catalog: Catalog, name: str) -> None:
    """A blank name is no name: the site keeps the one it has, or is called by its slug."""
    assert catalog.tenants.add("bolt", name=name, by=SYSTEM).name == "bolt"
    assert catalog.tenants.configure(add(catalog).id, name=name, by=SYSTEM).name == "Acme"


def test_names_hold_nothing_that_a_database_refuses(any_catalog: Catalog) -> None:
    """What is typed into a form is stored on each database alike; NUL is nobody's name."""
    tenant = any_catalog.tenants.add("acme", name="A\x00cme " + "x" * 300, by=SYSTEM)
    any_catalog.tenants.configure(
        tenant.id, name="B\x00olt", settings={"tagline": "a\x00"}, by=SYSTEM
    )
    any_catalog.accounts.add("olga@example.com", name="Ol\x00ga", by=SYSTEM)
    any_catalog.tenants.transition(tenant.id, S.DELETED, reason="be\x00cause", by=SYSTEM)

    assert tenant.name.startswith("Acme x")
    assert len(tenant.name) == 200
    assert any_catalog.tenants.get_row("acme").tenant.name == "Bolt"
    assert any_catalog.tenants.get_row("acme").reason == "because"
    assert any_catalog.accounts.list().items[0].name == "Olga"
    assert any_catalog.audit.verify().first_bad is None


def test_a_setting_called_name_is_a_setting(catalog: Catalog) -> None:
    """The site's own settings and the tenant's name are two things."""
    tenant = add(catalog, settings={"name": "of a horse"})
    changed = catalog.tenants.configure(tenant.id, settings={"tagline": "New"}, by=SYSTEM)

    assert changed.name == "Acme"
    assert dict(changed.settings) == {"name": "of a horse", "tagline": "New"}


def test_a_tenant_that_was_never_ready_can_be_forgotten(any_catalog: Catalog) -> None:
    """A failed creation leaves the slug free, the id unused, and a trace in the audit trail."""
    first = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    any_catalog.hosts.add(first.id, "acme.org", proof="operator", by=SYSTEM)
    account = any_catalog.accounts.add("olga@example.com", by=SYSTEM)
    any_catalog.memberships.add(account.id, first.id, by=SYSTEM)
    any_catalog.provisioning.forget(first.id, by=SYSTEM)
    second = any_catalog.tenants.add("acme", name="Acme", by=SYSTEM)

    assert second.id != first.id
    assert any_catalog.tenants.find_by_id(first.id) is None
    assert any_catalog.hosts.list() == ()
    assert any_catalog.memberships.list(account.id) == ()
    assert "tenant.forget" in actions(any_catalog)
    assert any_catalog.audit.verify().first_bad is None


def test_a_tenant_that_lives_is_not_forgotten(any_catalog: Catalog) -> None:
    """Law 11: only what was never provisioned disappears in one step."""
    tenant = add(any_catalog)
    with pytest.raises(BadTransitionError):
        any_catalog.provisioning.forget(tenant.id, by=SYSTEM)

    assert any_catalog.tenants.get("acme") == tenant


# --- hosts --------------------------------------------------------------------------------------


def test_custom_hosts_are_kept_in_order(any_catalog: Catalog) -> None:
    """The first host is where links point; each is found whole, in its canonical form."""
    tenant = add(any_catalog)
    any_catalog.hosts.add(tenant.id, "WWW.Acme.ORG.", proof="operator", by=OLGA)
    any_catalog.hosts.add(tenant.id, "b\u00fccher.example", proof="operator", by=OLGA)
    found = any_catalog.tenants.find_by_host("xn--bcher-kva.example")

    assert found is not None
    assert found.hosts == ("www.acme.org", "xn--bcher-kva.example")
    assert found.revision == tenant.revision + 2
    for host in ("acme.org", "a.www.acme.org", "www.acme.orgx", "%", "WWW.ACME.ORG"):
        assert any_catalog.tenants.find_by_host(host) is None


def test_a_host_has_one_tenant(any_catalog: Catalog) -> None:
    """R30: a host that somebody has cannot be claimed by another; said again, nothing changes."""
    acme, bolt = add(any_catalog), add(any_catalog, "bolt")
    any_catalog.hosts.add(acme.id, "shop.example.org", proof="operator", by=SYSTEM)
    with pytest.raises(HostTakenError):
        any_catalog.hosts.add(bolt.id, "SHOP.example.org", proof="operator", by=SYSTEM)
    epoch = any_catalog.changes.read_epoch()
    any_catalog.hosts.add(acme.id, "SHOP.example.org", proof="operator", by=SYSTEM)

    assert any_catalog.changes.read_epoch() == epoch
    assert [host.tenant_slug for host in any_catalog.hosts.list()] == ["acme"]


@pytest.mark.parametrize("host", ["example.test", "bolt.example.test", "a.b.example.test."])
def test_the_platforms_own_hosts_cannot_be_claimed(catalog: Catalog, host: str) -> None:
    """R30: a tenant cannot take the apex, or the name of a neighbour."""
    with pytest.raises(HostTakenError):
        catalog.hosts.add(add(catalog).id, host, proof="operator", by=SYSTEM)


def test_a_host_that_only_looks_like_ours_is_free(catalog: Catalog) -> None:
    """Law 2: the border of a label decides."""
    assert catalog.hosts.add(add(catalog).id, "notexample.test", proof="operator", by=SYSTEM).hosts


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "https://a.org", "*.acme.org", "a_b.c"])
def test_no_bad_host_is_claimed(catalog: Catalog, host: str) -> None:
    """R5: what no Host header can say is refused at once."""
    with pytest.raises(BadHostError):
        catalog.hosts.add(add(catalog).id, host, proof="operator", by=SYSTEM)


def test_a_host_can_be_given_back_and_moved(any_catalog: Catalog) -> None:
    """Removing a host frees it; both steps are changes of their tenants."""
    acme, bolt = add(any_catalog), add(any_catalog, "bolt")
    any_catalog.hosts.add(acme.id, "shop.example.org", proof="operator", by=OLGA)
    with pytest.raises(HostNotFoundError):
        any_catalog.hosts.remove(bolt.id, "shop.example.org", by=OLGA)
    left = any_catalog.hosts.remove(acme.id, "Shop.Example.Org", by=OLGA)
    any_catalog.hosts.add(acme.id, "shop.example.org", proof="operator", by=OLGA)
    any_catalog.hosts.remove(acme.id, "shop.example.org", by=OLGA)
    any_catalog.hosts.add(bolt.id, "shop.example.org", proof="operator", take_over=True, by=OLGA)

    assert left.hosts == ()
    assert any_catalog.tenants.get("acme").hosts == ()
    assert any_catalog.hosts.list(bolt.id)[0].name == "shop.example.org"
    assert any_catalog.hosts.list(acme.id) == ()
    wanted = ["host.add", "host.remove", "host.add", "host.remove", "host.add"]
    assert actions(any_catalog)[-5:] == wanted


# --- listings -----------------------------------------------------------------------------------


@pytest.fixture
def many(any_catalog: Catalog) -> Catalog:
    """Return a catalog of seven tenants."""
    for number, name in enumerate(["100%", "a_b", "a\\b", "Zebra", "axb", "100x", "\u00c4pfel"]):
        add(any_catalog, f"site-{number}", name=name, settings={"listed": number % 2 == 0})
    return any_catalog


def slugs(rows: tuple[TenantRow, ...]) -> list[str]:
    return [row.tenant.slug for row in rows]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        pytest.param("100%", ["site-0", "site-5"], id="percent"),
        pytest.param("a_b", ["site-1", "site-2"], id="underscore"),
        pytest.param("a\\b", ["site-1", "site-2"], id="backslash"),
        pytest.param("/", [], id="the escape character"),
        pytest.param("ZEBRA", ["site-3"], id="case"),
        pytest.param("' OR 1=1 --", [], id="SQL"),
        pytest.param("site-", [f"site-{n}" for n in range(7)], id="by slug"),
        pytest.param("zebra.org", ["site-3"], id="by host"),
        pytest.param("\x00", [], id="NUL"),
        pytest.param("\u00c4pfel", ["site-6"], id="not ASCII"),
    ],
)
def test_a_search_knows_no_wildcards(many: Catalog, search: str, found: list[str]) -> None:
    """LIKE's wildcards, and what PostgreSQL cannot store, only stand between words."""
    many.hosts.add(many.tenants.get("site-3").id, "zebra.org", proof="operator", by=SYSTEM)

    page = many.tenants.list(search=search)
    assert slugs(page.items) == found
    assert page.total == len(found)
    if search != "zebra.org":
        public = many.tenants.list_public(search=search)
        assert [tenant.slug for tenant in public.items] == sorted(
            (slug for slug in found if int(slug[-1]) % 2 == 0),
            key=lambda slug: many.tenants.get(slug).name,
        )
        assert many.accounts.list(search=search).total == 0


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(search=st.text("%_\\/'\"ab\x00\u00e4", max_size=6))
def test_no_search_breaks_a_listing(catalog: Catalog, search: str) -> None:
    """Whatever is typed into a search box, the answer is a page."""
    for listing in (catalog.tenants.list, catalog.tenants.list_public, catalog.accounts.list):
        assert listing(search=search).total == 0


def test_more_than_one_wants_to_know_is_not_counted(
    many: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting a million would take longer than showing some: there are "more than" so many."""
    assert many.schemas.count_behind("0002") == 7
    assert many.schemas.count_behind("0002", most=3) == 4
    assert many.schemas.count_behind("0002", most=7) == 7

    monkeypatch.setattr(tenants, "MOST_PUBLIC", 3)
    pages = [many.tenants.list_public(page=number, size=2) for number in (1, 2, 3)]
    assert [(page.total, page.pages, page.is_counted) for page in pages] == [(3, 2, False)] * 3
    assert many.tenants.list_public(search="site 6").is_counted


def test_a_listing_comes_in_pages(many: Catalog) -> None:
    """A page past the end is the last one, a page before the first is the first."""
    pages = [many.tenants.list(page=number, size=3) for number in (-1, 1, 2, 3, 99)]

    assert [slugs(page.items) for page in pages] == [
        ["site-0", "site-1", "site-2"],
        ["site-0", "site-1", "site-2"],
        ["site-3", "site-4", "site-5"],
        ["site-6"],
        ["site-6"],
    ]
    assert [page.number for page in pages] == [1, 1, 2, 3, 3]
    assert [(page.has_previous, page.has_next) for page in pages[1:4]] == [
        (False, True),
        (True, True),
        (True, False),
    ]
    assert {page.pages for page in pages} == {3}


@pytest.mark.parametrize(
    "sort", ["slug", "name", "state", "created_at", "-slug", "-name", "evil; --"]
)
def test_a_listing_is_sorted(many: Catalog, sort: str) -> None:
    """Every sort is a whole order; an unknown one is by slug."""
    found = slugs(many.tenants.list(sort=sort).items)

    assert sorted(found) == [f"site-{number}" for number in range(7)]
    if sort in {"slug", "created_at", "evil; --"}:
        assert found == sorted(found)
    if sort == "-slug":
        assert found == sorted(found, reverse=True)


def test_a_listing_shows_states_and_owners(many: Catalog) -> None:
    """The operators' table says who owns what, and filters by state."""
    tenant = many.tenants.get("site-3")
    for email in ("olga@example.com", "anna@example.com", "staff@example.com"):
        account = many.accounts.add(email, by=SYSTEM)
        role = "staff" if email.startswith("staff") else "owner"
        many.memberships.add(account.id, tenant.id, role, by=SYSTEM)  # type: ignore[arg-type]
    many.tenants.transition(tenant.id, S.SUSPENDED, by=SYSTEM)

    (row,) = many.tenants.list(state=S.SUSPENDED).items
    assert row.owners == ("anna@example.com", "olga@example.com")
    assert row == many.tenants.get_row("site-3")
    assert many.tenants.count_by_state() == dict.fromkeys(S, 0) | {S.ACTIVE: 6, S.SUSPENDED: 1}


def test_the_directory_shows_who_wants_to_be_found(many: Catalog) -> None:
    """Only active and listed sites are public, and leaving the list works."""
    first = many.tenants.get("site-0")
    many.tenants.transition(many.tenants.get("site-2").id, S.SUSPENDED, by=SYSTEM)
    many.tenants.configure(first.id, settings={"listed": False}, by=SYSTEM)

    assert {tenant.slug for tenant in many.tenants.list_public().items} == {"site-4", "site-6"}


def test_the_backends_host_is_nobodys(sqlite_url: str, tmp_path: Path) -> None:
    """Neither as a slug nor as a custom host: the operators' console answers there."""
    for backend_host in (f"desk.{DOMAIN}", "desk.example.org"):
        store = Store(sqlite_url, signal=ChangeSignal(tmp_path / "node" / "epoch"))
        catalog = Catalog(store, domain=DOMAIN, backend_host=backend_host)
        if backend_host.endswith(DOMAIN):
            with pytest.raises(BadSlugError, match="backend"):
                catalog.tenants.add("desk", name="Desk", by=SYSTEM)
        else:
            tenant = catalog.tenants.add("desk", name="Desk", by=SYSTEM)
            with pytest.raises(HostTakenError):
                catalog.hosts.add(tenant.id, backend_host, proof="operator", by=SYSTEM)
        catalog.close()


def test_placements_beside_the_named_ones_are_counted(any_catalog: Catalog) -> None:
    """A worker that starts asks for those that its settings have lost, and reads no others."""
    for slug, placement in (("one", "eu"), ("two", "eu"), ("three", "us"), ("four", "local")):
        any_catalog.tenants.add(slug, name=slug, placement=placement, by=SYSTEM)
    assert any_catalog.tenants.count_elsewhere({"local", "eu", "us"}) == {}
    assert any_catalog.tenants.count_elsewhere({"local"}) == {"eu": 2, "us": 1}
    assert any_catalog.store.list_distinct(TenantRecord.placement) == ("eu", "local", "us")
    assert any_catalog.schemas.list() == ("",)
