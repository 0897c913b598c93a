"""Who owns a tenant, in its memberships and in its own row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import command

from tenantry.catalog import SYSTEM, schema
from tenantry.catalog.engine import WRITE

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.values.tenant import Tenant


def add(catalog: Catalog, slug: str = "acme", owner: str | None = None) -> Tenant:
    tenant = catalog.tenants.add(slug, name=slug.title(), by=SYSTEM)
    return catalog.provisioning.activate({tenant.id: owner}, by=SYSTEM)[0]


def test_every_way_to_an_owner_leads_to_the_tenants_value(any_catalog: Catalog) -> None:
    """Whatever makes an owner, the tenant that workers see says so, and staff are none."""
    acme = add(any_catalog, owner="ada@x.test")
    assert acme.owners == any_catalog.tenants.get("acme").owners == ("ada@x.test",)
    bob = any_catalog.accounts.add("bob@x.test", by=SYSTEM)
    any_catalog.memberships.add(bob.id, acme.id, "staff", by=SYSTEM)
    assert any_catalog.tenants.get("acme").owners == ("ada@x.test",)
    any_catalog.memberships.add(bob.id, acme.id, by=SYSTEM)
    assert any_catalog.tenants.get("acme").owners == ("ada@x.test", "bob@x.test")
    any_catalog.memberships.add(bob.id, acme.id, "staff", by=SYSTEM)
    assert any_catalog.tenants.get("acme").owners == ("ada@x.test",)
    assert any_catalog.memberships.add_owner(acme.id, "BOB@x.test", by=SYSTEM).owners == (
        "ada@x.test",
        "bob@x.test",
    )
    assert any_catalog.memberships.find_role(bob.id, acme.id) == "owner"
    any_catalog.memberships.remove_owner(acme.id, "bob@x.test", by=SYSTEM)
    assert any_catalog.memberships.find_role(bob.id, acme.id) is None


def test_owners_of_an_older_catalog_are_known(catalog: Catalog) -> None:
    """The migration takes them from the memberships."""
    add(catalog, owner="ada@x.test")
    add(catalog, "bolt")
    config = schema._config()
    with catalog.store.engine.connect().execution_options(**WRITE) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0009-1")
        command.upgrade(config, "head")
        connection.commit()
    assert catalog.tenants.get("acme").owners == ("ada@x.test",)
    assert catalog.tenants.get("bolt").owners == ()
