"""The catalog's part of a purge: no way back, no rows left, a tombstone for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog import SYSTEM, Actor, Catalog
from tenantry.catalog.directory import Directory
from tenantry.errors import (
    BadTransitionError,
    HostRestingError,
    TenantExistsError,
    TooEarlyError,
    TooLateError,
)
from tenantry.resources.popularity import Popularity
from tenantry.resources.usage import Ledger
from tenantry.values.tenant import Tenant
from tenantry.values.tenant import TenantState as S
from tests.conftest import DOMAIN

if TYPE_CHECKING:
    from pathlib import Path

OPERATOR = Actor("operator", "op@example.com")
LATER = datetime.now(UTC) + timedelta(days=1)
BEFORE = datetime.now(UTC) - timedelta(days=1)


def add_deleted(
    catalog: Catalog, slug: str = "acme", *, purge_at: datetime | None = LATER
) -> Tenant:
    tenant = catalog.tenants.add(slug, name="Acme & Daughters", settings={"about": "us"}, by=SYSTEM)
    catalog.provisioning.activate({tenant.id: f"ada@{slug}.test"}, by=SYSTEM)
    catalog.hosts.add(tenant.id, f"www.{slug}.org", proof="operator", by=SYSTEM)
    account = catalog.accounts.find(f"ada@{slug}.test")
    assert account is not None
    catalog.links.create(
        "enter", account_id=account.id, tenant_id=tenant.id, lifetime=timedelta(hours=1), by=SYSTEM
    )
    catalog.tenants.transition(tenant.id, S.ARCHIVED, by=SYSTEM)
    return catalog.tenants.transition(
        tenant.id, S.DELETED, reason="left", purge_at=purge_at, by=SYSTEM
    )


def test_a_deletion_is_taken_back_until_its_date(any_catalog: Catalog) -> None:
    """Law 11: with everything that belonged to the tenant; afterwards never."""
    tenant = add_deleted(any_catalog)
    row = any_catalog.tenants.get_row("acme")
    assert (row.purge_at, row.is_due, row.reason) == (LATER, False, "left")
    back = any_catalog.tenants.transition(tenant.id, S.ARCHIVED, by=SYSTEM)
    assert back.hosts == ("www.acme.org",)
    assert any_catalog.tenants.get_row("acme").purge_at is None
    assert any_catalog.tenants.get_row("acme").owners == ("ada@acme.test",)

    any_catalog.tenants.transition(tenant.id, S.DELETED, purge_at=BEFORE, by=SYSTEM)
    with pytest.raises(TooLateError, match="purge date"):
        any_catalog.tenants.transition(tenant.id, S.ARCHIVED, by=SYSTEM)


def test_a_purge_that_has_begun_has_no_way_back(any_catalog: Catalog) -> None:
    """Before its date only if that is meant; the trail says so, and saying it again does nothing."""
    tenant = add_deleted(any_catalog)
    with pytest.raises(TooEarlyError, match="undeleted until"):
        any_catalog.purges.begin(tenant.id, by=OPERATOR)
    assert any_catalog.purges.list_due() == ()
    any_catalog.purges.begin(tenant.id, early=True, by=OPERATOR)
    events = any_catalog.audit.list().total
    any_catalog.purges.begin(tenant.id, by=OPERATOR)

    assert any_catalog.audit.list().total == events
    assert any_catalog.audit.list().items[0].action == "tenant.purge.begin"
    assert any_catalog.purges.list_due() == ("acme",)
    with pytest.raises(TooLateError):
        any_catalog.tenants.transition(tenant.id, S.ARCHIVED, by=SYSTEM)


def test_without_a_date_a_tenant_is_never_due(any_catalog: Catalog) -> None:
    """Until somebody purges it."""
    tenant = add_deleted(any_catalog, purge_at=None)
    assert any_catalog.purges.list_due() == ()
    with pytest.raises(TooEarlyError, match="until an operator purges it"):
        any_catalog.purges.begin(tenant.id, by=OPERATOR)
    assert any_catalog.tenants.transition(tenant.id, S.ARCHIVED, by=SYSTEM).state is S.ARCHIVED


@pytest.mark.parametrize("state", [S.ACTIVE, S.ARCHIVED])
def test_what_is_not_deleted_is_not_purged(catalog: Catalog, state: S) -> None:
    """Law 11: nothing is destroyed in one step."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    catalog.tenants.transition(tenant.id, S.ACTIVE, by=SYSTEM)
    catalog.tenants.transition(tenant.id, state, by=SYSTEM)
    with pytest.raises(BadTransitionError, match="purged"):
        catalog.purges.begin(tenant.id, early=True, by=OPERATOR)
    with pytest.raises(BadTransitionError, match="cleared"):
        catalog.purges.clear(tenant.id, by=OPERATOR)


def test_clearing_waits_for_the_beginning(catalog: Catalog) -> None:
    """As long as a tenant can come back, its rows are there."""
    tenant = add_deleted(catalog)
    with pytest.raises(BadTransitionError, match="cleared"):
        catalog.purges.clear(tenant.id, by=OPERATOR)
    assert catalog.purges.count_rows(tenant.id)


def test_a_tombstone_keeps_id_names_and_trail(any_catalog: Catalog) -> None:
    """R29: everything else is gone; nobody gets the id or a name that it had, nor its host at once."""
    other = add_deleted(any_catalog, "other")
    tenant = add_deleted(any_catalog)
    any_catalog.tenants.transition(tenant.id, S.ARCHIVED, by=SYSTEM)
    any_catalog.names.rename(tenant.id, "bolt", redirects_until=LATER, by=SYSTEM)
    any_catalog.tenants.transition(tenant.id, S.DELETED, purge_at=BEFORE, by=SYSTEM)
    assert any_catalog.purges.count_rows(tenant.id) == {
        "custom host": 1,
        "membership": 1,
        "one-use link": 1,
    }
    events = any_catalog.audit.list(tenant_id=tenant.id).total
    any_catalog.purges.begin(tenant.id, by=OPERATOR)
    for _ in range(2):
        any_catalog.purges.clear(tenant.id, by=OPERATOR)
    for _ in range(2):
        any_catalog.purges.finish(tenant.id, by=OPERATOR)

    row = any_catalog.tenants.get_row("bolt")
    assert row.purged_at is not None
    assert (row.tenant.id, row.tenant.state) == (tenant.id, S.DELETED)
    assert (row.tenant.name, dict(row.tenant.settings), row.tenant.hosts) == ("bolt", {}, ())
    assert (row.owners, row.reason) == ((), "")
    assert any_catalog.purges.count_rows(tenant.id) == {}
    assert any_catalog.audit.list(tenant_id=tenant.id).total == events + 1
    assert any_catalog.audit.verify().first_bad is None
    for slug in ("acme", "bolt"):
        with pytest.raises(TenantExistsError):
            any_catalog.tenants.add(slug, name="Another", by=SYSTEM)
    with pytest.raises(TooLateError):
        any_catalog.tenants.transition(tenant.id, S.ARCHIVED, by=SYSTEM)
    assert any_catalog.purges.list_due() == ()

    assert any_catalog.tenants.get("other") == other
    assert any_catalog.accounts.find("ada@acme.test") is not None
    assert [host.name for host in any_catalog.hosts.list()] == ["www.other.org"]
    with pytest.raises(HostRestingError):
        any_catalog.hosts.add(other.id, "www.acme.org", proof="operator", by=SYSTEM)


def test_the_longest_due_come_first(any_catalog: Catalog) -> None:
    """Only those whose date is over."""
    for number, days in enumerate((1, 3, 2, -1)):
        purge_at = datetime.now(UTC) - timedelta(days=days)
        add_deleted(any_catalog, f"t{number}", purge_at=purge_at)
    assert any_catalog.purges.list_due() == ("t1", "t2", "t0")
    assert any_catalog.purges.list_due(limit=1) == ("t1",)


def test_workers_forget_what_is_gone(catalog: Catalog, tmp_path: Path) -> None:
    """Neither figures nor the list for the next generation name a purged or never made tenant."""
    directory = Directory(catalog, domain=DOMAIN)
    ledger = Ledger()
    popularity = Popularity(tmp_path, 1, ledger)
    directory.subscribe_gone(ledger.forget)
    directory.subscribe_gone(popularity.forget)
    purged = add_deleted(catalog, purge_at=BEFORE)
    forgotten = catalog.tenants.add("half", name="Half", by=SYSTEM)
    kept = add_deleted(catalog, "kept")
    for tenant in (purged, forgotten, kept):
        ledger.add(tenant.id, tenant.slug, wall=1.0)
    popularity.save()
    popularity.load()
    directory.find(DOMAIN)
    catalog.purges.begin(purged.id, by=SYSTEM)
    catalog.purges.finish(purged.id, by=SYSTEM)
    catalog.provisioning.forget(forgotten.id, by=SYSTEM)
    catalog.tenants.configure(kept.id, name="Kept", by=SYSTEM)
    directory.find(DOMAIN)
    popularity.save()

    assert [tenant_id for tenant_id, _ in ledger.top("requests", 9)] == [kept.id]
    assert popularity.load() == [kept.id]
