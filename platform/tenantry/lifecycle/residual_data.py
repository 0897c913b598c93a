"""Every place where something of a tenant is: what a purge would take, and what it left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.databases.placements import tenant_database
from tenantry.files.disk import exists, is_file, is_symlink
from tenantry.lifecycle.restore_paths import RestorePaths
from tenantry.resources.popularity import lists_with

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.catalog import Catalog
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class ResidualData:
    """Something of a tenant's."""

    what: str
    """What it is and where."""
    size: int = 0
    """How much room it takes, where that is known."""


def find_residual_data(operations: Operations, tenant: Tenant) -> tuple[ResidualData, ...]:
    """Search every place and return what is there.

    The tenant's own row does not count, nor do the names that it had and its audit trail: they are
    what keeps id and names from being given away again. Its keys are derived from the id and stored
    nowhere. Counts of requests vanish by themselves within seconds.
    """
    catalog, settings = operations.catalog, operations.settings
    found = []
    everywhere = places_of(catalog, tenant)
    for place in everywhere:
        database = tenant_database(place, settings)
        if remains := database.remains():
            what = "its database" if database.exists() else f"of its database {', '.join(remains)}"
            found.append(ResidualData(f"{what} on {place.placement}", database.size()))
    found += [
        ResidualData(f"its folder {folder}", _size(folder))
        for folder in folders_of(everywhere, settings)
        if is_symlink(folder) or exists(folder)
    ]
    bundle = settings.last_bundle(tenant.id)
    if exists(bundle):
        found.append(ResidualData(f"the bundle of its deletion {bundle}", bundle.stat().st_size))
    found += [
        ResidualData(f"{number} {noun if number == 1 else noun + 's'} in the catalog")
        for noun, number in catalog.purges.count_rows(tenant.id).items()
    ]
    found += [
        ResidualData(f"its id in {file}") for file in lists_with(settings.popular_dir, tenant.id)
    ]
    return tuple(found)


def places_of(catalog: Catalog, tenant: Tenant) -> tuple[Tenant, ...]:
    """Return the tenant as it lives, as it lived before it moved, and as a killed move left it."""
    row = catalog.tenants.get_row(tenant.slug)
    names = (tenant.placement, row.former_placement, row.moving_to)
    return tuple(replace(tenant, placement=name) for name in dict.fromkeys(names) if name)


def folders_of(places: tuple[Tenant, ...], settings: Settings) -> tuple[Path, ...]:
    """Return where the tenant's files are, and where a restore has put aside what was there before."""
    folders = [settings.tenant_dir(places[0].id)]
    for found in (RestorePaths(place, settings) for place in places):
        folders += [found.home] if found.beside is None else [found.home, found.beside]
    return tuple(dict.fromkeys(folders))


def _size(folder: Path) -> int:
    """Return the bytes of all files; one that goes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if is_file(path) else 0
        except FileNotFoundError:
            continue
    return total
