"""Tenants whose database should be there and is not.

A site without a database is a site, too, if its factory makes none. But where one was lost, nothing may
be copied as if it were all: a backup without it would take the place of one that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite import SiteDatabase
from tenantry.errors import BundleError

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.settings import Settings
    from tenantry.tenant import Tenant


def is_lost(catalog: Catalog, tenant: Tenant, settings: Settings) -> bool:
    """Say whether a tenant has lost its database, or a part of what it needs to be reached."""
    database = tenant_database(tenant, settings)
    if database.exists() and not (isinstance(database, SiteDatabase) and database.is_empty()):
        return False
    return bool(database.remains()) or bool(catalog.get_schema(tenant.id))


def check_present(catalog: Catalog, tenant: Tenant, settings: Settings) -> None:
    """Make sure that all of a tenant is there before it is copied.

    :raises BundleError: Its database is not.
    """
    if is_lost(catalog, tenant, settings):
        shown = tenant_database(tenant, settings).shown
        remedy = f"`tenantry restore {tenant.slug}` brings it back from a backup"
        raise BundleError(tenant.slug, f"its database is not there ({shown}); {remedy}")
