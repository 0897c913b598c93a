"""A clone is what the original is at one moment, and does not speak for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import tenant_database
from tenantry.errors import BundleError, ProvisionError, TenantExistsError
from tenantry.lifecycle import Operations
from tenantry.security.keys import keys_of
from tenantry.values.tenant import TenantState
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@pytest.fixture
def settings(make_settings: Callable[..., Settings], any_placement: dict[str, Any]) -> Settings:
    """Return settings with a plan of their own; tenants live on each kind of placement in turn."""
    return make_settings(databases=any_placement, limit_plans={"gold": {}})


@pytest.fixture
def acme(catalog: Catalog, settings: Settings) -> Tenant:
    """Return a site with rows, files, an owner and a host of its own, found in the public list."""
    made = ledger.operations(catalog, settings).create(
        "acme",
        name="Acme Ltd",
        plan="gold",
        owner_email="ada@example.com",
        site_settings={"listed": True},
    )
    ledger.write(made, settings)
    return catalog.hosts.add(made.id, "www.acme.org", proof="operator", by=SYSTEM)


def clone(catalog: Catalog, settings: Settings, new: str = "copy", **options: Any) -> Tenant:
    """Clone acme."""
    factory = options.pop("factory", None) or ledger.make_factory(settings)
    return Operations(catalog, factory, settings=settings, actor=SYSTEM).clone(
        "acme", new, **options
    )


def test_a_clone_is_the_same_and_another_one(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Rows, files, name and plan are the original's; id, keys, folder and hosts are not."""
    copy = clone(catalog, settings)
    assert ledger.read(copy, settings) == ledger.read(acme, settings)
    folder, names = settings.tenant_dir(copy.id), ["media", "uploads"]
    assert (folder / "media/deep/grüße.bin").read_bytes() == b"\0\xff" * 70_000
    assert sorted(path.name for path in folder.iterdir() if "sqlite" not in path.name) == names
    assert tenant_database(copy, settings).check() is None
    assert (copy.name, copy.plan, copy.placement) == ("Acme Ltd", "gold", acme.placement)
    assert copy.state is TenantState.ACTIVE

    keys = keys_of(settings.secret_keys)
    assert keys.derive(copy.id, "session") != keys.derive(acme.id, "session")
    assert copy.hosts == ()
    assert catalog.tenants.find_by_host("www.acme.org") == acme


def test_a_clone_is_quiet_until_it_is_released(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Customers of the original must not hear of it, and people must not find it by chance."""
    copy = clone(catalog, settings)
    assert copy.quiet
    assert not acme.quiet
    assert [site.slug for site in catalog.tenants.list_public().items] == ["acme"]
    epoch = catalog.changes.read_epoch()
    operations = ledger.operations(catalog, settings)
    released = operations.release("copy")
    assert not released.quiet
    assert released.revision > copy.revision
    assert catalog.changes.read_epoch() == epoch + 1
    events = catalog.audit.list().total
    assert operations.release("copy") == released
    assert catalog.audit.list().total == events
    assert catalog.audit.list().items[0].action == "tenant.release"


def test_a_clone_belongs_to_the_same_people(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Or to whom the operator says."""
    bob = catalog.accounts.add("bob@example.com", by=SYSTEM)
    catalog.memberships.add(bob.id, acme.id, by=SYSTEM)
    clone(catalog, settings)
    assert catalog.tenants.get_row("copy").owners == ("ada@example.com", "bob@example.com")
    clone(catalog, settings, "other", owner_email="Eve@example.com")
    assert catalog.tenants.get_row("other").owners == ("eve@example.com",)


def test_writing_to_one_is_not_seen_in_the_other(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Law 9: from the first moment on they are two sites."""
    copy = clone(catalog, settings)
    engine = tenant_database(copy, settings).open_engine()
    with engine.begin() as connection:
        connection.execute(ledger.PERSON.insert().values(name="only here"))
    engine.dispose()
    assert ledger.read(acme, settings)["person"] == ledger.PEOPLE
    assert len(ledger.read(copy, settings)["person"]) == 3


def test_one_moment_is_cloned_while_writers_write(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Two rows that always change together are never seen apart."""
    with ledger.writing(acme, settings, ledger.rename_two) as wait_for_one_more:
        for number in range(4):
            wait_for_one_more()
            copy = clone(catalog, settings, f"copy{number}")
            one, other = ledger.read(copy, settings)["person"]
            assert one["name"] == other["name"]


def test_a_clone_that_fails_leaves_nothing(
    acme: Tenant, catalog: Catalog, settings: Settings
) -> None:
    """Neither row nor folder nor scratch, whatever ended it."""

    def fail(tenant: Tenant) -> None:
        raise RuntimeError("the disk is full")

    from dataclasses import replace

    factory = replace(ledger.make_factory(settings), provision=fail)
    with pytest.raises(ProvisionError):
        clone(catalog, settings, factory=factory)
    with pytest.raises(TenantExistsError):
        clone(catalog, settings, "acme")
    catalog.tenants.add("half", name="Half", by=SYSTEM)
    with pytest.raises(BundleError, match="no data to copy"):
        Operations(catalog, factory, settings=settings, actor=SYSTEM).clone("half", "copy")
    assert [path.name for path in (settings.data_dir / "tenants").iterdir()] == [f"t_{acme.id}"]
    assert list((settings.data_dir / "scratch").iterdir()) == []
    assert catalog.tenants.find("copy") is None
