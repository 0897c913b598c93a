"""Finds tenants whose database is missing.

A factory may make sites without a database. But if a database was lost, no copy of the tenant may be
made: a backup without it would take the place of one that has it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.databases.placements import get_server, tenant_database
from tenantry.databases.sqlite_file import FILE_NAME, site_database
from tenantry.errors import BundleError, TenantryError, UnknownPlacementError

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def database_missing(operations: Operations, tenant: Tenant) -> bool:
    """Say whether a tenant has lost its database, or a part of what it needs to be reached."""
    database = tenant_database(tenant, operations.settings)
    if database.exists() and not database.is_empty():
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
    missing: list[str] = []
    problems: list[str] = []
    by_placement: dict[str, list[Tenant]] = {}
    for tenant in tenants[:most]:
        by_placement.setdefault(tenant.placement, []).append(tenant)
    for name, found in by_placement.items():
        try:
            present = _find_present(name, found, settings)
        except UnknownPlacementError:
            present = set()
        except TenantryError as error:
            problems.append(str(error))
            continue
        missing += [tenant.slug for tenant in found if tenant.id not in present]
    is_complete = len(tenants) <= most
    return MissingDatabases(tuple(sorted(missing)), tuple(problems), is_complete=is_complete)


def _find_present(placement: str, tenants: list[Tenant], settings: Settings) -> set[str]:
    """Return the ids of those tenants whose databases are there."""
    if settings.get_placement(placement).kind == "sqlite":
        home = site_database(tenants[0], settings).path.parents[1]
        return {found.id for found in tenants if _has_file(f"{home}/t_{found.id}/{FILE_NAME}")}
    from tenantry.databases.postgresql_schema import find_schemas  # noqa: PLC0415 - the driver

    server = get_server(settings.get_placement(placement), settings)
    schemas = find_schemas(server, [f"t_{found.id}" for found in tenants])
    return {found.id for found in tenants if f"t_{found.id}" in schemas}


def _has_file(path: str) -> bool:
    """Say whether there is a file that is not empty; a site's never is."""
    try:
        return os.stat(path).st_size > 0  # noqa: PTH116 - a Path for each costs more than the look
    except OSError:
        return False


def check_present(operations: Operations, tenant: Tenant) -> None:
    """Refuse to copy a tenant that has lost its database.

    :raises BundleError: Its database is not.
    """
    if operations.database_missing(tenant):
        shown = tenant_database(tenant, operations.settings).shown
        remedy = f"`tenantry restore {tenant.slug}` restores it from a backup"
        raise BundleError(tenant.slug, f"its database is missing ({shown}); {remedy}")
