"""A drill tells whether a restore would work, and leaves nothing behind."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM
from tenantry.databases.placements import tenant_database
from tenantry.errors import BundleError, DatabaseUnavailableError, TenantNotFoundError
from tenantry.lifecycle.create import provision
from tenantry.lifecycle.provisional import COPYING
from tests.tenantry.lifecycle import ledger
from tests.tenantry.support import hello

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.catalog import Catalog, NewestBackup
    from tenantry.lifecycle import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@pytest.fixture
def settings(any_settings: Settings) -> Settings:
    """Return settings whose tenants live on each kind of placement in turn."""
    return any_settings


@pytest.fixture
def operations(catalog: Catalog, settings: Settings) -> Operations:
    """Return what may be done."""
    return ledger.operations(catalog, settings)


@pytest.fixture
def acme(operations: Operations, settings: Settings) -> Tenant:
    """Return a site with rows and files, and one backup."""
    made = operations.create("acme", name="Acme")
    ledger.write(made, settings)
    operations.backup("acme")
    return made


def known(operations: Operations, tenant: Tenant) -> NewestBackup:
    """Return what is known of its newest backup."""
    return operations.catalog.backups.find([tenant.id])[tenant.id]


def newest(operations: Operations) -> Path:
    """Return acme's newest backup."""
    found = operations.choose_backup("acme")
    assert found is not None
    return found


def test_a_drill_builds_the_app_on_the_restored_data(
    acme: Tenant, operations: Operations, settings: Settings
) -> None:
    """The app that is built finds the rows of the backup, and afterwards nothing is left of it."""
    seen: list[Any] = []

    def build(tenant: Tenant) -> Any:
        assert tenant.id != acme.id
        seen.append((tenant, ledger.read(tenant, settings)))
        return hello("site")

    operations.factory = replace(operations.factory, build=build)
    manifest = operations.drill("acme")
    ((tenant, rows),) = seen
    assert rows == ledger.read(acme, settings)
    assert manifest.rows > 0
    assert not settings.tenant_dir(tenant.id).exists()
    with pytest.raises(TenantNotFoundError):
        operations.catalog.tenants.get_by_id(tenant.id)
    assert operations.catalog.tenants.find(tenant.slug) is None
    assert known(operations, acme).restored_at is not None
    assert known(operations, acme).problem == ""
    event = operations.catalog.audit.list(tenant_id=acme.id).items[0]
    assert (event.action, event.detail["file"]) == ("tenant.drill", newest(operations).name)


def test_what_a_killed_drill_has_left_goes_with_the_next(
    acme: Tenant, operations: Operations, settings: Settings
) -> None:
    """It is a copy of a site's data, which nobody would look for."""
    slugs: list[str] = []

    def build(tenant: Tenant) -> Any:
        slugs.append(tenant.slug)
        return hello("site")

    operations.factory = replace(operations.factory, build=build)
    operations.drill("acme")
    left = operations.catalog.tenants.add(
        slugs[0], name="Acme", placement=acme.placement, reason=COPYING, by=SYSTEM
    )
    provision(operations, left)
    ledger.write(left, settings)
    operations.drill("acme")
    assert operations.catalog.tenants.list().total == 1
    assert not settings.tenant_dir(left.id).exists()
    assert not tenant_database(left, settings).exists()


def test_an_app_that_fails_on_it_is_a_fault(
    acme: Tenant, operations: Operations, settings: Settings
) -> None:
    """It is noted beside the backup, and the site itself is not touched."""

    def build(tenant: Tenant) -> Any:
        raise RuntimeError(f"no wheels on {tenant.name}")

    before = ledger.read(acme, settings)
    operations.factory = replace(operations.factory, build=build)
    with pytest.raises(BundleError, match="no wheels"):
        operations.drill("acme")
    assert "no wheels" in known(operations, acme).problem
    assert known(operations, acme).restored_at is None
    assert ledger.read(acme, settings) == before
    assert operations.catalog.tenants.list().total == 1
    names = {path.name for path in settings.tenant_dir(acme.id).parent.iterdir()}
    assert names == {settings.tenant_dir(acme.id).name}


def test_a_server_that_is_away_is_no_fault_of_the_backup(
    acme: Tenant, operations: Operations
) -> None:
    """The job tries it again later."""

    def receive(tenant: Tenant) -> None:
        raise DatabaseUnavailableError(tenant.placement, "connection refused")

    operations.factory = replace(operations.factory, receive=receive)
    with pytest.raises(DatabaseUnavailableError):
        operations.drill("acme")
    assert known(operations, acme).problem == ""
    assert known(operations, acme).checked_at is None
    assert operations.catalog.tenants.list().total == 1


def test_a_full_disk_is_no_fault_of_the_backup(
    acme: Tenant, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no room to look into it: nothing is noted."""
    full = shutil.disk_usage("/")._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(BundleError, match="the data folder has room for 0"):
        operations.drill("acme")
    assert known(operations, acme).problem == ""
    assert known(operations, acme).checked_at is None


def test_a_damaged_backup_is_noted(acme: Tenant, operations: Operations) -> None:
    """Nothing is made of it."""
    path = newest(operations)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BundleError):
        operations.drill("acme")
    assert known(operations, acme).problem
    assert known(operations, acme).checked_at is not None
    assert operations.catalog.tenants.list().total == 1


def test_another_sites_backup_is_refused(acme: Tenant, operations: Operations) -> None:
    """What it would prove is nothing about this site."""
    operations.create("bolt", name="Bolt")
    path = operations.backup("bolt").path
    with pytest.raises(BundleError, match="belongs to another tenant"):
        operations.drill("acme", path)
    assert known(operations, acme).problem == ""
