"""Tenants that a killed command left half made: the same command, said again, makes them whole."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenantry.files.locks import tenant_lock
from tenantry.files.scratch import alone
from tenantry.lifecycle.create import take_back, taking_back
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

COPYING = "is being copied"
"""The reason that the catalog keeps while a tenant is being filled by import or clone."""


@contextmanager
def provisional_tenant(
    catalog: Catalog, slug: str, add: Callable[[], Tenant], *, settings: Settings, by: Actor
) -> Iterator[Tenant]:
    """Add a tenant that is filled in the block, or leave nothing of it, also if it was killed before.

    :param add: Adds it to the catalog, with the reason :data:`COPYING`.
    :raises BundleError: Another command is provisional_tenant it now.
    """
    with alone(settings.data_dir, f"provisional_tenant-{slug}", what=slug):
        _clear_away(catalog, slug, settings=settings, by=by)
        tenant = add()
        with (
            taking_back(catalog, [tenant], settings=settings, by=by),
            tenant_lock(tenant, "made", settings=settings),
        ):
            yield tenant


def _clear_away(catalog: Catalog, slug: str, *, settings: Settings, by: Actor) -> None:
    found = catalog.tenants.find(slug)
    if found is None or found.state is not TenantState.PROVISIONING:
        return
    # We hold the lock, so whoever was filling it is gone. What `create` makes has another reason.
    if catalog.tenants.get_row(slug).reason == COPYING:
        take_back(catalog, found, settings=settings, by=by)
