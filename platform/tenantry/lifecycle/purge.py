"""Purges a deleted tenant: destroys its data and proves that nothing is left.

Its tombstone stays: the id and the names that it had are never given away again.
"""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.databases.placements import check_here
from tenantry.errors import BadTransitionError, LeftoversError, TooEarlyError
from tenantry.files.disk import exists
from tenantry.lifecycle.tenant_paths import find_paths, folders_of
from tenantry.lifecycle.upgrade_rows import clear_scratch
from tenantry.resources.popularity import take_out
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import TenantRow
    from tenantry.lifecycle.operations import Operations
    from tenantry.lifecycle.tenant_paths import TenantPaths
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)


def purge_tenant(operations: Operations, slug: str, *, early: bool = False) -> TenantRow:
    """Destroy all data of a deleted tenant; after an interruption the same call does the rest.

    From the first step on it cannot be undeleted. When nothing is left, it is marked as purged.

    :param early: Also before its purge date.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is not deleted.
    :raises TooEarlyError: Its purge date is still to come.
    :raises ElsewhereError: Something of it belongs to another node, where the proof would not look.
    :raises LeftoversError: Something is left, and what.
    :raises TenantLockedError: Another operation is at work on it.
    """
    catalog, settings, by = operations.catalog, operations.settings, operations.actor
    row = operations.preview_purge(slug, early=early)
    if row.purged_at is not None:
        return row
    tenant = row.tenant
    bundle = settings.last_bundle(tenant.id)
    everywhere = find_paths(operations, tenant)
    destroy: tuple[Callable[[], object], ...] = (
        lambda: _drop_databases(everywhere),
        lambda: _remove_folders(everywhere),
        lambda: bundle.unlink(missing_ok=True),
        lambda: take_out(settings.popular_dir, tenant.id),
    )
    with tenant_lock(tenant, "purged", settings=settings):  # all of it can be repeated
        catalog.purges.begin(tenant.id, early=early, by=by)
        for remove in destroy:
            try:
                remove()
            except OSError as error:
                # The others need not wait for it. The proof finds what could not be removed.
                log.warning("purging %s: %s", slug, error)
        catalog.purges.clear(tenant.id, by=by)
        _prove(operations, tenant)
        catalog.purges.finish(tenant.id, by=by)
    return catalog.tenants.get_row(slug)


def preview_purge(operations: Operations, slug: str, *, early: bool = False) -> TenantRow:
    """Return the tenant as it is now if :func:`purge_tenant` would succeed.

    It has a ``purged_at`` if it was purged before.
    """
    row = operations.catalog.tenants.get_row(slug)
    if row.tenant.state is not TenantState.DELETED:
        raise BadTransitionError(slug, row.tenant.state, "purged")
    if row.purged_at is not None:
        return row
    if not early and not row.is_due:
        raise TooEarlyError(slug, row.purge_date)
    for paths in find_paths(operations, row.tenant):
        check_here(paths.location.placement, operations.settings)
    return row


def _drop_databases(everywhere: tuple[TenantPaths, ...]) -> None:
    for paths in everywhere:
        clear_scratch(paths)
        paths.database.drop()


def _remove_folders(everywhere: tuple[TenantPaths, ...]) -> None:
    for folder in folders_of(everywhere):
        if exists(folder):
            shutil.rmtree(folder)


def _prove(operations: Operations, tenant: Tenant) -> None:
    left = operations.find_residual_data(tenant)
    if left:
        raise LeftoversError(tenant.slug, tuple(found.what for found in left))
