"""Finds everything that belongs to a tenant, before and after a purge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.files.disk import exists, is_file, is_symlink
from tenantry.lifecycle.tenant_paths import find_paths, folders_of
from tenantry.resources.popularity import lists_with
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class ResidualData:
    """One thing that belongs to a tenant."""

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
    everywhere = find_paths(operations, tenant)
    for paths in everywhere:
        database = paths.database
        if remains := database.remains():
            what = "its database" if database.exists() else f"of its database {', '.join(remains)}"
            found.append(ResidualData(f"{what} on {paths.location.placement}", database.size()))
    found += [
        ResidualData(f"its folder {folder}", _size(folder))
        for folder in folders_of(everywhere)
        if is_symlink(folder) or exists(folder)
    ]
    bundle = settings.last_bundle(tenant.id)
    if exists(bundle):
        found.append(ResidualData(f"the bundle of its deletion {bundle}", bundle.stat().st_size))
    found += [
        ResidualData(f"{counted(number, noun)} in the catalog")
        for noun, number in catalog.purges.count_rows(tenant.id).items()
    ]
    found += [
        ResidualData(f"its id in {file}") for file in lists_with(settings.popular_dir, tenant.id)
    ]
    return tuple(found)


def _size(folder: Path) -> int:
    """Return the bytes of all files; one that vanishes meanwhile does not count."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if is_file(path) else 0
        except FileNotFoundError:
            continue
    return total
