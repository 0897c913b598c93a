"""Search by words: right after each change of a name, also one that an older release made."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from alembic import command
from sqlalchemy import text, update

from tenantry.catalog import SYSTEM, Catalog, TenantFilter, schema, word_search
from tenantry.catalog.engine import WRITE
from tenantry.catalog.models import TenantRecord, TenantWordRecord, now
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Account
    from tenantry.values.tenant import Tenant


def found(catalog: Catalog, search: str) -> list[str]:
    """Return the slugs that a search finds, in each of the lists that can be searched."""
    sites = [row.tenant.slug for row in catalog.listings.tenants(TenantFilter(search=search)).items]
    assert [row.tenant.slug for row in catalog.tenants.list(search=search).items] == sites
    pieces = catalog.scans.read_tenants(search=search).items
    assert sorted(row.tenant.slug for row in pieces) == sites
    return sites


def people(catalog: Catalog, search: str) -> list[str]:
    """Return the addresses of the accounts that a search finds."""
    emails = [account.email for account in catalog.listings.accounts(search=search).items]
    assert [account.email for account in catalog.accounts.list(search=search).items] == emails
    return emails


def delete(catalog: Catalog, tenant: Tenant) -> None:
    """Let a tenant be deleted, on the only way there."""
    for state in (TenantState.ARCHIVED, TenantState.DELETED):
        catalog.tenants.transition(tenant.id, state, by=SYSTEM)


def call(catalog: Catalog, account: Account, name: str) -> None:
    """Give an account another name."""
    catalog.account_changes.configure(account.id, name=name, language="", time_zone="", by=SYSTEM)


@pytest.fixture
def acme(any_catalog: Catalog) -> Tenant:
    """Return a tenant beside another one, with an owner."""
    any_catalog.tenants.add("bolt", name="Bolt & Nut", by=SYSTEM)
    tenant = any_catalog.tenants.add("acme", name="Coyote Supplies", by=SYSTEM)
    any_catalog.provisioning.activate({tenant.id: "olga@mail.example"}, by=SYSTEM)
    return tenant


def test_a_name_is_found_as_soon_as_it_is_there(any_catalog: Catalog, acme: Tenant) -> None:
    """And the one before no more, except for a slug: it leads to the tenant for a time."""
    any_catalog.tenants.configure(acme.id, name="Road Runner", by=SYSTEM)
    until = now() + timedelta(days=1)
    any_catalog.names.rename(acme.id, "canyon", redirects_until=until, by=SYSTEM)

    for search in ("road run", "canyon", "acme", acme.id.upper()):
        assert found(any_catalog, search) == ["canyon"], search
    assert found(any_catalog, "coyote") == []


def test_hosts_and_people_are_found_while_they_belong_to_it(
    any_catalog: Catalog, acme: Tenant
) -> None:
    """A pending host too; visitors of the directory find neither."""
    any_catalog.hosts.add(acme.id, "shop.desert.example", by=SYSTEM)
    olga = any_catalog.accounts.find("olga@mail.example")
    assert olga is not None
    call(any_catalog, olga, "Olga Nilsson")
    for search in ("desert", "olga@mail", "nilsson coyote"):
        assert found(any_catalog, search) == ["acme"], search
        assert any_catalog.tenants.list_public(search=search).total == 0

    any_catalog.hosts.remove(acme.id, "shop.desert.example", by=SYSTEM)
    any_catalog.memberships.transfer(acme.id, "erik@mail.example", by=SYSTEM)
    assert [found(any_catalog, search) for search in ("desert", "olga", "nilsson")] == [[], [], []]
    assert found(any_catalog, "erik") == ["acme"]


def test_staff_are_found_while_they_work_there(any_catalog: Catalog, acme: Tenant) -> None:
    """One who leaves or is deleted leaves no word behind, although the owners stay the same."""
    addresses = ("nils@mail.example", "sara@mail.example")
    nils, sara = (any_catalog.accounts.add(address, by=SYSTEM) for address in addresses)
    for person in (nils, sara):
        any_catalog.memberships.add(person.id, acme.id, "staff", by=SYSTEM)
    assert [found(any_catalog, search) for search in ("nils", "sara")] == [["acme"], ["acme"]]

    any_catalog.memberships.remove(nils.id, acme.id, by=SYSTEM)
    any_catalog.account_changes.remove(sara.id, by=SYSTEM)
    assert [found(any_catalog, search) for search in ("nils", "sara")] == [[], []]


def test_an_account_is_found_by_what_it_is_called_now(any_catalog: Catalog, acme: Tenant) -> None:
    """Also where it owns a site; what was deleted leaves no word behind."""
    olga = any_catalog.accounts.find("olga@mail.example")
    assert olga is not None
    assert people(any_catalog, "OLGA") == ["olga@mail.example"]
    call(any_catalog, olga, "Sigrid")
    assert people(any_catalog, "sig mail") == ["olga@mail.example"]
    assert found(any_catalog, "sigrid") == ["acme"]
    any_catalog.memberships.transfer(acme.id, "erik@mail.example", by=SYSTEM)
    any_catalog.account_changes.remove(olga.id, by=SYSTEM)
    assert people(any_catalog, "sigrid") == []
    with any_catalog.store.connection() as connection:
        left = connection.scalar(text("SELECT count(*) FROM account_words WHERE word = 'sigrid'"))
    assert left == 0


def test_nothing_is_left_of_a_tenant_that_never_was(any_catalog: Catalog) -> None:
    """Its words go with it; those of a purged one are only its slug."""
    gone = any_catalog.tenants.add("gone", name="Gone Away", by=SYSTEM)
    any_catalog.provisioning.forget(gone.id, by=SYSTEM)
    kept = any_catalog.tenants.add("kept", name="Secret Garden", by=SYSTEM)
    any_catalog.provisioning.activate({kept.id: None}, by=SYSTEM)
    delete(any_catalog, kept)
    any_catalog.purges.begin(kept.id, early=True, by=SYSTEM)
    any_catalog.purges.clear(kept.id, by=SYSTEM)

    assert found(any_catalog, "gone") == []
    assert found(any_catalog, "secret") == []
    assert found(any_catalog, "kept") == ["kept"]


def test_a_frequent_word_beside_a_rare_one_finds_both(
    any_catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What many have is checked, what few have is looked up; and none needs to be rare."""
    monkeypatch.setattr(word_search, "FEW", 3)
    for number in range(8):
        any_catalog.tenants.add(f"shop-{number}", name=f"Shop of number{number}", by=SYSTEM)

    assert found(any_catalog, "shop number5") == ["shop-5"]
    assert found(any_catalog, "shop number") == [f"shop-{number}" for number in range(8)]
    assert found(any_catalog, "shop nobody") == []


def test_what_an_older_release_wrote_is_found_after_the_next_change(
    any_catalog: Catalog, acme: Tenant
) -> None:
    """Nodes are upgraded one after the other, and the older ones write names without words."""
    with any_catalog.store.engine.connect().execution_options(**WRITE) as connection:
        renamed = update(TenantRecord).where(TenantRecord.id == acme.id).values(name="Old Hand")
        connection.execute(renamed)
        connection.execute(text("UPDATE heads SET epoch = epoch + 1"))
        change = text("INSERT INTO changes SELECT epoch, :tenant FROM heads")
        connection.execute(change, {"tenant": acme.id})
        connection.commit()
    assert found(any_catalog, "old hand") == []
    any_catalog.tenants.add("next", name="Next", by=SYSTEM)

    assert found(any_catalog, "old hand") == ["acme"]
    with any_catalog.store.connection() as connection:
        assert connection.scalar(text("SELECT epoch - words_epoch FROM heads")) == 0


def test_an_account_that_an_older_release_added_is_found_again(
    any_catalog: Catalog, acme: Tenant
) -> None:
    """No change tells of it: the daily job looks for accounts without words."""
    with any_catalog.store.updating() as connection:
        connection.execute(text("DELETE FROM account_words"))
    assert people(any_catalog, "olga") == []

    assert [any_catalog.accounts.add_missing_words() for _ in range(2)] == [1, 0]
    assert people(any_catalog, "olga") == ["olga@mail.example"]
    assert found(any_catalog, "olga") == [acme.slug]


def test_an_upgrade_finds_and_counts_what_is_there(any_catalog: Catalog, acme: Tenant) -> None:
    """Names and numbers from before are kept as those from afterwards are."""
    config = schema._config()
    with any_catalog.store.engine.connect().execution_options(**WRITE) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0025")
        command.upgrade(config, "head")
        connection.commit()

    assert found(any_catalog, "coyote olga") == [acme.slug]
    assert people(any_catalog, "olga") == ["olga@mail.example"]
    assert any_catalog.tenants.count_by_plan() == {"free": 2}
    with any_catalog.store.reading() as session:
        words = session.query(TenantWordRecord.word).filter_by(tenant_id=acme.id, is_public=True)
        assert {word for (word,) in words} == {"acme", "coyote", "supplies"}


def test_tenants_are_counted_whoever_writes(any_catalog: Catalog, acme: Tenant) -> None:
    """The database counts: each state, plan and placement, and what leaves them again."""
    any_catalog.tenants.change_plan(acme.id, "gold", by=SYSTEM)
    third = any_catalog.tenants.add("third", name="Third", placement="big", by=SYSTEM)
    assert any_catalog.tenants.count_by_plan() == {"free": 2, "gold": 1}
    assert any_catalog.tenants.count_by_placement() == {"big": 1, "local": 2}
    assert any_catalog.tenants.count_by_state()[TenantState.PROVISIONING] == 2

    any_catalog.provisioning.forget(third.id, by=SYSTEM)
    delete(any_catalog, acme)
    assert any_catalog.tenants.count_by_plan() == {"free": 1}
    assert any_catalog.tenants.count_by_placement() == {"local": 1}
    counts = any_catalog.tenants.count_by_state()
    assert {state: count for state, count in counts.items() if count} == {
        TenantState.PROVISIONING: 1,
        TenantState.DELETED: 1,
    }
