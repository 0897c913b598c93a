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
from tenantry.lifecycle import Operations
from tenantry.lifecycle.tenant_paths import TenantPaths, backups_dir
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
        find_migrations=lambda: tenants.MIGRATIONS,
    )


@pytest.fixture
def acme(catalog: Catalog, factory: Factory, any_settings: Settings) -> Tenant:
    """Return a tenant with one member."""
    tenant = Operations(catalog, factory, settings=any_settings, actor=SYSTEM).create(
        "acme", name="Acme"
    )
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
    operations = Operations(catalog, factory, settings=any_settings, actor=SYSTEM)
    operations.backup("acme")
    tenant_database(acme, any_settings).drop()
    for _ in range(3):
        with pytest.raises(BundleError, match=r"its database is missing.*tenantry restore acme"):
            operations.backup("acme", keep=1)
    assert len(list(backups_dir(any_settings).glob("*/*.tenant"))) == 1
    with pytest.raises(BundleError, match="its database is missing"):
        operations.export("acme", tmp_path / "x")
    with pytest.raises(BundleError, match="its database is missing"):
        operations.clone("acme", "bolt")
    assert catalog.tenants.find("bolt") is None


def test_a_restore_brings_it_back(
    catalog: Catalog, factory: Factory, acme: Tenant, any_settings: Settings
) -> None:
    """A file is put back as it was; a schema is made anew, and its rows are."""
    operations = Operations(catalog, factory, settings=any_settings, actor=SYSTEM)
    operations.backup("acme")
    tenant_database(acme, any_settings).drop()
    restored = operations.restore("acme", drain=0)
    assert restored.state is TenantState.ACTIVE
    assert members(acme, any_settings) == 1
    assert tenant_database(acme, any_settings).revision()


def test_what_is_lost_can_be_deleted(
    catalog: Catalog, acme: Tenant, any_settings: Settings
) -> None:
    """A site beyond repair must not stay for ever: its bundle has what there is."""
    tenant_database(acme, any_settings).drop()
    row = Operations(catalog, settings=any_settings, actor=SYSTEM).delete("acme")
    assert row.tenant.state is TenantState.DELETED
    assert any_settings.last_bundle(acme.id).exists()


def test_a_damaged_journal_is_told(
    catalog: Catalog, factory: Factory, acme: Tenant, any_settings: Settings
) -> None:
    """The sentence names the file and the way on; that way works."""
    operations = Operations(catalog, factory, settings=any_settings, actor=SYSTEM)
    operations.backup("acme")
    journal = TenantPaths(acme, any_settings).journal
    journal.parent.mkdir(parents=True, exist_ok=True)
    for spoilt in (b"", b"\0" * 100, b"[]", b"{}"):
        journal.write_bytes(spoilt)
        with pytest.raises(BundleError, match=r"journal\.json: it is damaged; remove it"):
            operations.restore("acme", drain=0)
    journal.unlink()
    operations.restore("acme", drain=0)
    assert members(acme, any_settings) == 1


@pytest.fixture
def place(catalog: Catalog, acme: Tenant, any_settings: Settings) -> SchemaDatabase:
    """Return the schema and the role of a tenant that is deleted."""
    operations = Operations(catalog, settings=any_settings, actor=SYSTEM)
    operations.archive("acme")
    operations.delete("acme")
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
    Operations(catalog, settings=any_settings, actor=SYSTEM).purge("acme", early=True)
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
    operations = Operations(catalog, settings=any_settings, actor=SYSTEM)
    with pytest.raises(PlacementError, match=place.name):
        operations.purge("acme", early=True)
    superuser.execute(f"ALTER SCHEMA {place.name} OWNER TO tenantry".encode())
    operations.purge("acme", early=True)
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
