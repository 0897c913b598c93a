"""A tenant's data for its factory, which hands in no settings: they are the app's, or the process's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry import migrations as revisions
from tenantry.databases import placements, sqlite_file
from tenantry.errors import PlacementError
from tenantry.files import disk
from tenantry.flask.binding import current_binding, find_settings

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.databases.placements import TenantDatabase
    from tenantry.databases.sqlite_file import SiteDatabase
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def tenant_database(
    tenant: Tenant | None = None, settings: Settings | None = None
) -> TenantDatabase:
    """Return a tenant's own database: a SQLite file, or a schema on a PostgreSQL server.

    :param tenant: By default the current one; a hook names it.
    :param settings: By default those of the app at work, or of the process.
    :raises NoTenantError: No tenant is named, and no tenant's app is at work.
    :raises UnknownPlacementError: The settings do not name the tenant's placement.
    """
    if tenant is None:
        found, tenant = current_binding()
        settings = settings or found
    return placements.tenant_database(tenant, settings or find_settings())


def site_database(tenant: Tenant, settings: Settings | None = None) -> SiteDatabase:
    """Return a tenant's SQLite file, for a factory that cannot do with an engine.

    :param settings: By default those of the app at work, or of the process.
    :raises PlacementError: The tenant's data is on a server.
    """
    return sqlite_file.site_database(tenant, settings or find_settings())


def provision_database(
    tenant: Tenant, migrations: Path, *, settings: Settings | None = None
) -> None:
    """Make the tenant's database at the newest revision; one that has a schema is left as it is.

    :param migrations: The factory's Alembic folder.
    :param settings: By default those of the app at work, or of the process.
    """
    revisions.provision_database(tenant, settings or find_settings(), migrations)


def is_disk_full(error: BaseException) -> bool:
    """Say whether *error* means that a disk has no room left, or that a quota of the system is used up.

    Where not even the index of a database's log fits, SQLite lets the file be read and calls it
    read-only. That is a full disk too, for the current tenant's file.
    """
    if disk.is_full(error):
        return True
    if not getattr(getattr(error, "orig", error), "sqlite_errorname", "").startswith(
        "SQLITE_READONLY"
    ):
        return False
    settings, tenant = current_binding()
    try:
        folder = sqlite_file.site_database(tenant, settings).path.parent
    except PlacementError:
        return False
    return not disk.has_room(folder)
