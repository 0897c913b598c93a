"""What a slug leads to when its tenant was renamed, and who may have it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from sqlalchemy import event

from tenantry.catalog import SYSTEM, Actor, Catalog, FormerName, schema
from tenantry.catalog.engine import WRITE
from tenantry.errors import (
    BadSlugError,
    BadTransitionError,
    TenantExistsError,
    TenantNotFoundError,
    TenantRenamedError,
)
from tenantry.values.tenant import Tenant
from tenantry.values.tenant import TenantState as S
from tests.tenantry.support import at_once

LATER = datetime.now(UTC) + timedelta(days=1)
BEFORE = datetime.now(UTC) - timedelta(days=1)
OPERATOR = Actor("operator", "op@example.com")


def add(catalog: Catalog, slug: str = "acme") -> Tenant:
    tenant = catalog.tenants.add(slug, name=slug.title(), by=SYSTEM)
    return catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)[0]


def rename(catalog: Catalog, tenant: Tenant, slug: str, *, until: datetime = LATER) -> Tenant:
    return catalog.names.rename(tenant.id, slug, redirects_until=until, by=OPERATOR)


def test_a_renamed_tenant_is_the_same(any_catalog: Catalog) -> None:
    """Law 7, 12: only the slug is another one; the change is numbered and stands in the trail."""
    acme = add(any_catalog)
    acme = any_catalog.hosts.add(acme.id, "www.acme.org", proof="operator", by=SYSTEM)
    epoch = any_catalog.changes.read_epoch()
    bolt = rename(any_catalog, acme, "bolt")

    assert (bolt.id, bolt.slug, bolt.hosts) == (acme.id, "bolt", ("www.acme.org",))
    assert bolt.revision == acme.revision + 1
    assert any_catalog.changes.read_epoch() == epoch + 1
    assert any_catalog.tenants.get("bolt") == any_catalog.names.find("bolt") == bolt
    assert any_catalog.tenants.find_by_host("www.acme.org") == bolt
    event = any_catalog.audit.list(tenant_id=acme.id).items[0]
    assert (event.action, event.actor, event.tenant_slug) == (
        "tenant.rename",
        "op@example.com",
        "bolt",
    )
    assert (event.detail["before"], event.detail["after"]) == ("acme", "bolt")


def test_former_names_lead_to_the_present_one(any_catalog: Catalog) -> None:
    """However long the chain, each name leads straight to the tenant."""
    acme = add(any_catalog)
    rename(any_catalog, acme, "bolt", until=BEFORE)
    rename(any_catalog, acme, "coil")

    first, second = any_catalog.names.list_former(acme.id)
    assert first == FormerName("acme", acme.id, "coil", BEFORE)
    assert second == FormerName("bolt", acme.id, "coil", LATER)
    assert [first.redirects, second.redirects] == [False, True]
    assert any_catalog.names.find("acme") == first
    assert any_catalog.names.find("bolt") == second
    assert any_catalog.names.find("nobody") is None
    assert any_catalog.tenants.find("acme") is None
    for get in (any_catalog.tenants.get, any_catalog.tenants.get_row):
        with pytest.raises(TenantRenamedError, match="renamed to 'coil'"):
            get("acme")
        with pytest.raises(TenantNotFoundError, match="'nobody' does not exist"):
            get("nobody")


def test_a_tenant_is_found_by_its_former_names(any_catalog: Catalog) -> None:
    """Who searches for an old name finds whose it was, once."""
    acme = add(any_catalog)
    add(any_catalog, "other")
    for slug in ("acme-1", "acme-2", "coil"):
        rename(any_catalog, acme, slug)
    found = any_catalog.tenants.list(search="acme")
    assert [row.tenant.slug for row in found.items] == ["coil"]


def test_a_name_costs_one_statement(catalog: Catalog) -> None:
    """No transaction is begun for it: random names come in floods."""
    add(catalog)
    asked: list[str] = []
    event.listen(
        catalog.store.engine,
        "checkout",
        lambda connection, *_: connection.set_trace_callback(asked.append),
    )
    for name in ("acme", "nobody"):
        catalog.names.find(name)
        catalog.tenants.find_by_host(f"{name}.org")
    assert [statement.partition(" ")[0] for statement in asked] == ["SELECT"] * 4


def test_a_tenant_is_found_as_it_was_stored(any_catalog: Catalog) -> None:
    """Times, booleans and settings come through the driver as they come through the records."""
    acme = add(any_catalog)
    any_catalog.tenants.configure(acme.id, settings={"a": [1, {"b": None}]}, by=SYSTEM)
    stored = any_catalog.tenants.begin_maintenance(acme.id, reopens_at=LATER, by=SYSTEM)

    assert stored.reopens_at == LATER
    assert any_catalog.names.find("acme") == any_catalog.tenants.find_by_id(acme.id) == stored


@pytest.mark.parametrize(
    ("there", "wanted"),
    [("acme", "acrne"), ("acorn", "acom"), ("wow", "vv0vv"), ("shop-l", "shop-1")],
)
def test_a_name_that_looks_like_anothers_is_refused(
    any_catalog: Catalog, there: str, wanted: str
) -> None:
    """R31: visitors would take one site for the other; it counts for renaming, too."""
    known, other = add(any_catalog, there), add(any_catalog, "other")
    epoch = any_catalog.changes.read_epoch()
    said = f"'{wanted}' cannot name a site: it looks like the name of another site, “{there}”."
    with pytest.raises(BadSlugError) as refused:
        any_catalog.tenants.add(wanted, name="Another", by=SYSTEM)
    assert str(refused.value) == said
    with pytest.raises(BadSlugError, match=there):
        rename(any_catalog, other, wanted)
    with pytest.raises(BadSlugError, match=there):
        any_catalog.names.check(wanted)
    assert any_catalog.changes.read_epoch() == epoch
    assert rename(any_catalog, known, wanted).slug == wanted, "the site itself may have it"
    with pytest.raises(TenantExistsError):
        any_catalog.names.check(there)


def test_a_name_that_looks_like_anothers_former_one_is_refused(any_catalog: Catalog) -> None:
    """R31: it leads to the other site for a time, and old links have it for ever."""
    known, other = add(any_catalog, "acme"), add(any_catalog, "other")
    rename(any_catalog, known, "bolt", until=BEFORE)
    with pytest.raises(BadSlugError, match="looks like the name of another site, “acme”"):
        any_catalog.names.check("acrne")
    with pytest.raises(BadSlugError, match="acme"):
        rename(any_catalog, other, "acrne")
    assert rename(any_catalog, known, "acrne").slug == "acrne", "the site itself may have it"


def test_older_names_are_compared_too(catalog: Catalog) -> None:
    """The upgrade works out what the names look like that are there already."""
    rename(catalog, add(catalog, "acorn"), "modern-c0w")
    config = schema._config()
    with catalog.store.engine.connect().execution_options(**WRITE) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0018")
        command.upgrade(config, "head")
        connection.commit()
    for wanted, there in (("modem-cow", "modern-c0w"), ("acom", "acorn")):
        with pytest.raises(BadSlugError, match=there):
            catalog.names.check(wanted)


def test_nobody_else_gets_a_former_name(any_catalog: Catalog) -> None:
    """Law 11: not for a new site and not for another one, even when it leads nowhere any more."""
    acme, other = add(any_catalog), add(any_catalog, "other")
    rename(any_catalog, acme, "bolt", until=BEFORE)
    epoch = any_catalog.changes.read_epoch()

    with pytest.raises(TenantExistsError, match="acme"):
        any_catalog.tenants.add("acme", name="Another", by=SYSTEM)
    for slug in ("acme", "bolt"):
        with pytest.raises(TenantExistsError, match=slug):
            rename(any_catalog, other, slug)
        with pytest.raises(TenantExistsError, match=slug):
            any_catalog.names.check(slug, tenant_id=other.id)
        with pytest.raises(TenantExistsError, match=slug):
            any_catalog.names.check(slug)
    assert any_catalog.changes.read_epoch() == epoch


def test_a_tenant_takes_its_name_back(any_catalog: Catalog) -> None:
    """The name is its own again, and the one in between is the former one."""
    acme = add(any_catalog)
    rename(any_catalog, acme, "bolt")
    any_catalog.names.check("acme", tenant_id=acme.id)
    back = rename(any_catalog, acme, "acme")

    assert any_catalog.tenants.get("acme") == back
    assert [name.slug for name in any_catalog.names.list_former(acme.id)] == ["bolt"]
    assert rename(any_catalog, acme, "bolt").slug == "bolt"
    assert [name.slug for name in any_catalog.names.list_former(acme.id)] == ["acme"]


def test_the_same_name_again_changes_nothing(any_catalog: Catalog) -> None:
    """A command can be repeated: no change, no audit row, no former name."""
    acme = add(any_catalog)
    bolt = rename(any_catalog, acme, "bolt")
    epoch, events = any_catalog.changes.read_epoch(), any_catalog.audit.list().total

    assert rename(any_catalog, acme, "bolt") == bolt
    assert (any_catalog.changes.read_epoch(), any_catalog.audit.list().total) == (epoch, events)
    assert len(any_catalog.names.list_former(acme.id)) == 1


@pytest.mark.parametrize("slug", ["www", "Bolt", "", "a" * 41, "a\0b"])
def test_a_bad_name_is_refused(any_catalog: Catalog, slug: str) -> None:
    """R27: the rule for slugs holds for new names, too."""
    acme = add(any_catalog)
    with pytest.raises(BadSlugError):
        rename(any_catalog, acme, slug)
    with pytest.raises(BadSlugError):
        any_catalog.names.check(slug)


@pytest.mark.parametrize("moves", [[], [S.DELETED]], ids=["being made", "deleted"])
def test_who_is_not_there_yet_or_any_more_keeps_its_name(catalog: Catalog, moves: list[S]) -> None:
    """A tombstone shows what was there, and a site that is being made was never there."""
    tenant = catalog.tenants.add("acme", name="Acme", by=SYSTEM)
    for state in moves:
        catalog.tenants.transition(tenant.id, state, by=SYSTEM)
    with pytest.raises(BadTransitionError, match="renamed"):
        rename(catalog, tenant, "bolt")


def test_of_two_who_want_a_name_one_gets_it(any_catalog: Catalog) -> None:
    """Four tenants and two new ones want one name at the same moment."""
    tenants = [add(any_catalog, f"t{number}") for number in range(4)]

    def want(number: int) -> Tenant:
        if number < len(tenants):
            return rename(any_catalog, tenants[number], "bolt")
        return any_catalog.tenants.add("bolt", name="New", by=SYSTEM)

    results = at_once(6, want)
    assert sum(isinstance(result, Tenant) for result in results) == 1
    assert sum(isinstance(result, TenantExistsError) for result in results) == 5
