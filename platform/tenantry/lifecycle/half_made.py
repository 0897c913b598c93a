"""Tenants that a killed command left half made: the same command, said again, makes them whole."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenantry.bundles.scratch import alone
from tenantry.databases.placements import tenant_database
from tenantry.lifecycle.create import take_back, taking_back
from tenantry.tenant import Tenant, TenantState
from tenantry.turns import holding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings

COPYING = "is being copied"
"""The reason that the catalog keeps while a tenant is being filled by import or clone."""


@contextmanager
def making(
    catalog: Catalog, slug: str, add: Callable[[], Tenant], *, settings: Settings, by: Actor
) -> Iterator[Tenant]:
    """Add a tenant that is filled in the block, or leave nothing of it, also if it was killed before.

    :param add: Adds it to the catalog, with the reason :data:`COPYING`.
    :raises BundleError: Another command is making it now.
    """
    with alone(settings.data_dir, f"making-{slug}", what=slug) as note:
        _clear_away(catalog, slug, note, settings=settings, by=by)
        tenant = add()
        with (
            taking_back(catalog, [tenant], settings=settings, by=by),
            holding(tenant, "made", settings=settings),
        ):
            # On a full disk not even this is written: then the tenant must not stay either.
            note.write_text(json.dumps({"id": tenant.id, "placement": tenant.placement}))
            yield tenant


def _clear_away(catalog: Catalog, slug: str, note: Path, *, settings: Settings, by: Actor) -> None:
    found = catalog.find_tenant(slug)
    unfinished = found is not None and found.state is TenantState.PROVISIONING
    # We hold the lock, so whoever was filling it is gone. What `create` makes has another reason.
    if found is not None and unfinished and catalog.get_row(slug).reason == COPYING:
        take_back(catalog, found, settings=settings, by=by)
    try:
        told = json.loads(note.read_text())
        left = Tenant(told["id"], slug, slug, placement=told["placement"])
    except (ValueError, KeyError, TypeError):
        return
    if catalog.find_tenant_by_id(left.id) is None:  # killed between its row's end and its data's
        tenant_database(left, settings).drop()
        shutil.rmtree(settings.tenant_dir(left.id), ignore_errors=True)
