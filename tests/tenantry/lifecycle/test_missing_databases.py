"""A tenant whose database is gone: nothing is copied as if that were all; a restore brings it back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

import tenants
from tenantry.catalog import SYSTEM, Catalog
from tenantry.databases.placements import find_orphaned_placements, tenant_database
from tenantry.databases.postgresql_schema import SchemaDatabase
from tenantry.errors import BundleError, PlacementError
from tenantry.factory import Factory
from tenantry.lifecycle import create_tenant, export_tenant
from tenantry.lifecycle.archive import archive_tenant
from tenantry.lifecycle.backup import backup_tenant, backups_dir
from tenantry.lifecycle.clone import clone_tenant
from tenantry.lifecycle.delete import delete_tenant
from tenantry.lifecycle.purge import purge_tenant
from tenantry.lifecycle.restore import restore_tenant
from tenantry.lifecycle.restore_paths import RestorePaths
from tenantry.migrations import read_revision
from tenantry.values.tenant import TenantState
from tests.tenantry.support import opened

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@pytest.fixture
def factory(any_settings: Settings) -> Factory:
    """Return the factory of the bundled site."""
    return Factory(
        build=tenants.create_app,
        provision=partial(tenants.provision, settings=any_settings),
        migrations=tenants.MIGRATIONS,
    )


@pytest.fixture
def acme(catalog: Catalog, factory: Factory, any_settings: Settings) -> Tenant:
    """Return a tenant with one member."""
    tenant = create_tenant(catalog, factory, "acme", name="Acme", settings=any_settings, by=SYSTEM)
    with opened(tenant_database(tenant, any_settings)) as engine, engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO member (email, name, role, blocked, "
                "is_platform_owner, failures, next_try_at, joined_at) VALUES "
                "('ann@mail.test', 'Ann', 'member', false, false, 0, 0, '2026-01-01')"
            )
        )
    return tenant


def members(tenant: Tenant, settings: Settings) -> int:
    with opened(tenant_database(tenant, settings)) as engine, engine.begin() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM member")) or 0)


def test_nothing_is_copied_as_if_it_were_all(
    catalog: Catalog, factory: Factory, acme: Tenant, any_settings: Settings, tmp_path: Path
) -> None:
    """No backup without a database takes the place of one that has it; no copy is made either."""
    backup_tenant(catalog, "acme", settings=any_settings, by=SYSTEM)
    tenant_database(acme, any_settings).drop()
    for _ in range(3):
        with pytest.raises(BundleError, match=r"its database is not there.*tenantry restore acme"):
            backup_tenant(catalog, "acme", keep=1, settings=any_settings, by=SYSTEM)
    assert len(list(backups_dir(any_settings).glob("*/*.tenant"))) == 1
    with pytest.raises(BundleError, match="its database is not there"):
        export_tenant(catalog, "acme", tmp_path / "x", settings=any_settings, by=SYSTEM)
    with pytest.raises(BundleError, match="its database is not there"):
        clone_tenant(catalog, factory, "acme", "bolt", settings=any_settings, by=SYSTEM)
    assert catalog.tenants.find("bolt") is None


def test_a_restore_brings_it_back(
    catalog: Catalog, factory: Factory, acme: Tenant, any_settings: Settings
) -> None:
    """A file is put back as it was; a schema is made anew, and its rows are."""
    backup_tenant(catalog, "acme", settings=any_settings, by=SYSTEM)
    tenant_database(acme, any_settings).drop()
    restored = restore_tenant(
        catalog, "acme", factory=factory, settings=any_settings, by=SYSTEM, drain=0
    )
    assert restored.state is TenantState.ACTIVE
    assert members(acme, any_settings) == 1
    assert read_revision(tenant_database(acme, any_settings))


def test_what_is_lost_can_be_deleted(
    catalog: Catalog, acme: Tenant, any_settings: Settings, tmp_path: Path
) -> None:
    """A site beyond repair must not stay for ever: its bundle has what there is."""
    tenant_database(acme, any_settings).drop()

    def export(tenant: Tenant) -> object:
        return export_tenant(
            catalog,
            tenant.slug,
            tmp_path / "last",
            even_if_lost=True,
            settings=any_settings,
            by=SYSTEM,
        )

    row = delete_tenant(catalog, "acme", export=export, settings=any_settings, by=SYSTEM)
    assert row.tenant.state is TenantState.DELETED
    assert (tmp_path / "last").exists()


def test_a_damaged_journal_is_told(
    catalog: Catalog, factory: Factory, acme: Tenant, any_settings: Settings
) -> None:
    """The sentence names the file and the way on; that way works."""
    backup_tenant(catalog, "acme", settings=any_settings, by=SYSTEM)
    journal = RestorePaths(acme, any_settings).journal
    journal.parent.mkdir(parents=True, exist_ok=True)
    for spoilt in (b"", b"\0" * 100, b"[]", b"{}"):
        journal.write_bytes(spoilt)
        with pytest.raises(BundleError, match=r"journal\.json: it is damaged; remove it"):
            restore_tenant(
                catalog, "acme", factory=factory, settings=any_settings, by=SYSTEM, drain=0
            )
    journal.unlink()
    restore_tenant(catalog, "acme", factory=factory, settings=any_settings, by=SYSTEM, drain=0)
    assert members(acme, any_settings) == 1


@pytest.fixture
def place(catalog: Catalog, acme: Tenant, any_settings: Settings) -> SchemaDatabase:
    """Return the schema and the role of a tenant that is deleted."""
    archive_tenant(catalog, "acme", by=SYSTEM)
    delete_tenant(catalog, "acme", export=None, settings=any_settings, by=SYSTEM)
    database = tenant_database(acme, any_settings)
    assert isinstance(database, SchemaDatabase)
    assert len(database.remains()) == 2
    return database


ON_A_SERVER = [pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.mark.parametrize("any_placement", ON_A_SERVER, indirect=True)
def test_a_role_alone_is_purged(
    catalog: Catalog,
    place: SchemaDatabase,
    any_settings: Settings,
    superuser: psycopg.Connection[object],
) -> None:
    """Without its schema a tenant cannot be served, and something of it is there all the same."""
    superuser.execute(f"DROP SCHEMA {place.name} CASCADE".encode())
    assert place.remains() == (f"role {place.name}",)
    assert not place.exists()
    purge_tenant(catalog, "acme", early=True, settings=any_settings, by=SYSTEM)
    assert place.remains() == ()


@pytest.mark.parametrize("any_placement", ON_A_SERVER, indirect=True)
def test_a_schema_alone_is_purged_or_told(
    catalog: Catalog,
    place: SchemaDatabase,
    any_settings: Settings,
    superuser: psycopg.Connection[object],
) -> None:
    """A schema whose role is gone is somebody else's: it is named until that one lets go of it."""
    superuser.execute(f"ALTER SCHEMA {place.name} OWNER TO postgres".encode())
    superuser.execute(f"DROP OWNED BY {place.name} CASCADE; DROP ROLE {place.name}".encode())
    assert place.remains() == (f"schema {place.name}",)
    with pytest.raises(PlacementError, match=place.name):
        purge_tenant(catalog, "acme", early=True, settings=any_settings, by=SYSTEM)
    superuser.execute(f"ALTER SCHEMA {place.name} OWNER TO tenantry".encode())
    purge_tenant(catalog, "acme", early=True, settings=any_settings, by=SYSTEM)
    assert place.remains() == ()


def test_placements_that_nobody_names_are_told(any_settings: Settings) -> None:
    """Their name, how many live there, and the remedy; the others are not mentioned."""
    assert find_orphaned_placements(any_settings, {"local": 7}) == []
    one, more = find_orphaned_placements(any_settings, {"local": 7, "eu": 1, "us": 1200})
    assert one == (
        "TENANTRY_DATABASES does not name the placement 'eu', where 1 tenant lives: its site answers "
        "503. Name it there again."
    )
    assert "'us', where 1200 tenants live: their sites answer 503" in more
