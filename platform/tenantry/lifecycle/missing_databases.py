"""Tenants whose database should be there and is not.

A factory may make sites without a database. But if a database was lost, no copy of the tenant may be
made: a backup without it would take the place of one that has it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.databases.placements import get_server, tenant_database
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase, site_database
from tenantry.errors import BundleError, TenantryError, UnknownPlacementError

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


def database_missing(operations: Operations, tenant: Tenant) -> bool:
    """Say whether a tenant has lost its database, or a part of what it needs to be reached."""
    database = tenant_database(tenant, operations.settings)
    if database.exists() and not (isinstance(database, SiteDatabase) and database.is_empty()):
        return False
    return bool(database.remains()) or bool(operations.catalog.schemas.find(tenant.id))


@dataclass(frozen=True, slots=True)
class MissingDatabases:
    """Which tenants have lost their databases, as far as a quick check of many can tell."""

    slugs: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    """A sentence for each placement that could not be asked."""
    is_complete: bool = True
    """Whether every tenant was checked."""


def find_missing_databases(operations: Operations, *, most: int) -> MissingDatabases:
    """Check that databases are there: by each file's size, and with one query to each server.

    :param most: How many tenants are checked at most.
    """
    settings = operations.settings
    tenants = operations.catalog.tenants.list_with_database(limit=most + 1)
    lost: list[str] = []
    problems: list[str] = []
    on_servers: dict[str, list[Tenant]] = {}
    homes: dict[str, Path] = {}
    for tenant in tenants[:most]:
        try:
            if tenant.placement in on_servers:
                on_servers[tenant.placement].append(tenant)
                continue
            if tenant.placement not in homes:
                if settings.get_placement(tenant.placement).kind != "sqlite":
                    on_servers[tenant.placement] = [tenant]
                    continue
                homes[tenant.placement] = site_database(tenant, settings).path.parents[1]
            if not _has_file(f"{homes[tenant.placement]}/t_{tenant.id}/{FILE_NAME}"):
                lost.append(tenant.slug)
        except (UnknownPlacementError, OSError):
            lost.append(tenant.slug)
    for name, housed in on_servers.items():
        from tenantry.databases.postgresql_schema import find_schemas  # noqa: PLC0415 - the driver

        try:
            server = get_server(settings.get_placement(name), settings)
            there = find_schemas(server, [f"t_{tenant.id}" for tenant in housed])
            lost += [tenant.slug for tenant in housed if f"t_{tenant.id}" not in there]
        except TenantryError as error:
            problems.append(str(error))
    return MissingDatabases(tuple(sorted(lost)), tuple(problems), is_complete=len(tenants) <= most)


def _has_file(path: str) -> bool:
    """Say whether there is a file that is not empty; a site's never is."""
    try:
        return os.stat(path).st_size > 0  # noqa: PTH116 - a Path for each costs more than the look
    except (FileNotFoundError, NotADirectoryError):
        return False


def check_present(operations: Operations, tenant: Tenant) -> None:
    """Refuse to copy a tenant that has lost its database.

    :raises BundleError: Its database is not.
    """
    if operations.database_missing(tenant):
        shown = tenant_database(tenant, operations.settings).shown
        remedy = f"`tenantry restore {tenant.slug}` brings it back from a backup"
        raise BundleError(tenant.slug, f"its database is not there ({shown}); {remedy}")
