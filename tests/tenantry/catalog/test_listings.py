"""The console's long tables: each filter, each order, forwards and backwards, on both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.catalog import SYSTEM, EventFilter, TenantFilter
from tenantry.catalog.listings import ACCOUNT_SORTS, TENANT_SORTS
from tenantry.catalog.slices import COUNTED
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Catalog

NAMES = ("Zebra", "apple", "Äpfel", "apple", "دفتر")


@pytest.fixture(name="full")
def full_(any_catalog: Catalog) -> Catalog:
    """Return a catalog with eleven tenants, of which some share a name."""
    for number in range(11):
        any_catalog.tenants.add(
            f"site-{number:02}",
            name=NAMES[number % len(NAMES)],
            plan="gold" if number % 3 == 0 else "free",
            placement="big" if number % 2 else "local",
            by=SYSTEM,
        )
    return any_catalog


def slugs(catalog: Catalog, which: TenantFilter) -> list[str]:
    """Return which tenants a filter lets through."""
    return [row.tenant.slug for row in catalog.listings.tenants(which).items]


def walk(catalog: Catalog, sort: str, size: int) -> tuple[list[str], list[str]]:
    """Return all slugs, read forwards page by page, and then backwards from the last page."""
    pages = [catalog.listings.tenants(TenantFilter(), sort=sort, size=size)]
    while pages[-1].following:
        cursor = pages[-1].following
        pages.append(catalog.listings.tenants(TenantFilter(), sort=sort, cursor=cursor, size=size))
    forwards = [row.tenant.slug for page in pages for row in page.items]
    back = [pages[-1]]
    while back[0].previous:
        cursor = back[0].previous
        back.insert(
            0, catalog.listings.tenants(TenantFilter(), sort=sort, cursor=cursor, size=size)
        )
    return forwards, [row.tenant.slug for page in back for row in page.items]


@pytest.mark.parametrize("size", [1, 3, 11, 50])
@pytest.mark.parametrize("sort", [*TENANT_SORTS, "-name", "-created_at", "-slug"])
def test_each_row_is_on_one_page(full: Catalog, sort: str, size: int) -> None:
    """In each order, whatever rows have in common; backwards are the same rows."""
    forwards, backwards = walk(full, sort, size)
    assert sorted(forwards) == [f"site-{number:02}" for number in range(11)]
    assert backwards == forwards
    whole = full.listings.tenants(TenantFilter(), sort=sort, size=50)
    assert [row.tenant.slug for row in whole.items] == forwards
    assert (whole.total, whole.previous, whole.following) == (11, "", "")


def test_filters_are_all_held(full: Catalog) -> None:
    """Each alone, and together; what nobody has finds nobody."""
    assert slugs(full, TenantFilter(plan="gold")) == ["site-00", "site-03", "site-06", "site-09"]
    assert slugs(full, TenantFilter(plan="gold", placement="big")) == ["site-03", "site-09"]
    assert len(slugs(full, TenantFilter(state=TenantState.PROVISIONING))) == 11
    assert slugs(full, TenantFilter(state=TenantState.ACTIVE)) == []
    assert slugs(full, TenantFilter(schema="0007")) == []
    assert full.listings.find_values("plan") == ("free", "gold")
    assert full.listings.find_values("placement") == ("big", "local")
    assert full.listings.find_values("schema_revision") == ()


def test_a_tenant_is_found_by_what_people_know_of_it(full: Catalog) -> None:
    """Address, former address, name, domain, owner's e-mail or name, and the whole id."""
    tenant = full.tenants.get("site-04")
    full.hosts.add(tenant.id, "notes.example.org", proof="operator", by=SYSTEM)
    olga = full.accounts.add("olga@mail.test", name="Olga Nilsson", by=SYSTEM)
    full.memberships.add(olga.id, tenant.id, "owner", by=SYSTEM)
    for search in ("SITE-04", "notes.ex", "olga@", "nilsson", tenant.id, tenant.id.upper(), "دفتر"):
        assert "site-04" in slugs(full, TenantFilter(search=search)), search
    for search in (tenant.id[:31], "%", "_", "no\0body", "'"):
        assert slugs(full, TenantFilter(search=search)) == [], search


def test_accounts_and_events_have_pages(any_catalog: Catalog) -> None:
    """The same way; the trail is filtered by kind of action, actor and tenant."""
    for number in range(5):
        any_catalog.accounts.add(f"p{number}@mail.test", name=f"Person {9 - number}", by=SYSTEM)
    for sort in (*ACCOUNT_SORTS, "-email"):
        first = any_catalog.listings.accounts(sort=sort, size=3)
        rest = any_catalog.listings.accounts(sort=sort, size=3, cursor=first.following)
        assert len({account.id for account in (*first.items, *rest.items)}) == 5
    found = any_catalog.listings.accounts(search="person 7").items
    assert [account.email for account in found] == ["p2@mail.test"]

    any_catalog.audit.record("accounting.closed", by=SYSTEM)
    events = any_catalog.listings.events(EventFilter(action="account"), size=2)
    assert [event.action for event in events.items] == ["account.create", "account.create"]
    assert events.total == 5
    assert events.items[0].number > events.items[1].number
    assert any_catalog.listings.events(EventFilter(actor="nobody")).items == ()
    assert any_catalog.listings.events(EventFilter(tenant_id="0" * 32)).total == 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cursor=st.text(max_size=40) | st.from_regex(r"[ab][A-Za-z0-9_-]{0,60}", fullmatch=True))
def test_what_is_no_cursor_is_the_first_page(full: Catalog, cursor: str) -> None:
    """Addresses are changed by hand: nothing of that is an error."""
    usual = full.listings.tenants(TenantFilter(), size=4)
    found = full.listings.tenants(TenantFilter(), sort="created_at", cursor=cursor, size=4)
    assert len(found.items) == len(usual.items)


def test_a_long_list_is_counted_to_a_limit(catalog: Catalog) -> None:
    """More than that is only said to be more."""
    for number in range(COUNTED + 2):
        catalog.audit.record(f"test.{number}", by=SYSTEM)
    found = catalog.listings.events(EventFilter(action="test"), size=2)
    assert not found.is_counted
    assert found.total == COUNTED + 1
