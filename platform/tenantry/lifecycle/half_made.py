"""Tenants that a killed command left half made: the same command, said again, makes them whole."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenantry.bundles.scratch import alone
from tenantry.lifecycle.create import take_back
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings

COPYING = "is being copied"
"""The reason that the catalog keeps while a tenant is being filled by import or clone."""


@contextmanager
def making(catalog: Catalog, slug: str, *, settings: Settings, by: Actor) -> Iterator[None]:
    """Keep others from making this tenant, and clear away what a killed command left of it.

    :raises BundleError: Another command is making it now.
    """
    with alone(settings.data_dir, f"tenant-{slug}"):
        found = catalog.find_tenant(slug)
        unfinished = found is not None and found.state is TenantState.PROVISIONING
        # We hold the lock, so whoever was filling it is gone. What `create` makes has another reason.
        if found is not None and unfinished and catalog.get_row(slug).reason == COPYING:
            take_back(catalog, found, settings=settings, by=by)
        yield
