"""Databases that an earlier release kept ready for new tenants end as purged tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from tenantry.catalog import SYSTEM, Catalog, schema
from tenantry.databases.placements import tenant_database
from tenantry.errors import TooEarlyError
from tenantry.lifecycle import Operations
from tenantry.values.tenant import Tenant, TenantState

if TYPE_CHECKING:
    from tenantry.settings import Settings

LEFT = "0123456789abcdef" * 2


def downgrade(catalog: Catalog) -> None:
    """Bring the catalog back to the last revision that had such databases."""
    config = Config()
    config.set_main_option("script_location", str(schema.__file__).replace("schema.py", "alembic"))
    with catalog.store.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0011-1")
        connection.commit()


def test_an_upgrade_makes_them_deleted_tenants(
    any_catalog: Catalog, any_settings: Settings
) -> None:
    """They are not lost: the catalog lists them, and a purge destroys them and proves it."""
    tenant_database(Tenant(LEFT, "left", "left"), any_settings).create()
    downgrade(any_catalog)
    try:
        with any_catalog.store.engine.begin() as connection:
            connection.execute(
                text("INSERT INTO standbys VALUES (:id, 'local', '0001-x', 'ready', 'here', :at)"),
                {"id": LEFT, "at": "2026-01-02 03:04:05"},
            )
    finally:
        any_catalog.upgrade()

    row = any_catalog.tenants.get_row(f"standby-{LEFT}")
    assert (row.tenant.id, row.tenant.state) == (LEFT, TenantState.DELETED)
    assert not any_catalog.tenants.count_by_placement()
    assert any_catalog.audit.verify().first_bad is None
    operations = Operations(any_catalog, settings=any_settings, actor=SYSTEM)
    with pytest.raises(TooEarlyError):
        operations.purge(row.tenant.slug)
    assert operations.find_residual_data(row.tenant)

    operations.purge(row.tenant.slug, early=True)
    assert not operations.find_residual_data(row.tenant)
