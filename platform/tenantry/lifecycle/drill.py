"""Tries a restore: a backup becomes a site that nobody can visit, is checked, and is removed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenantry.databases.placements import check_here
from tenantry.errors import BundleError, BundleRoomError, TenantryError
from tenantry.lifecycle.create import take_back
from tenantry.lifecycle.import_ import fill_tenant
from tenantry.lifecycle.provisional import provisional_tenant
from tenantry.lifecycle.restore import check_owner
from tenantry.lifecycle.trial import find_failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.bundles.manifest import Manifest
    from tenantry.lifecycle.operations import Operations


def drill_restore(operations: Operations, slug: str, path: Path | None = None) -> Manifest:
    """Restore a backup beside its site, build the app on it, ask for its front page, and remove it.

    The site itself is not touched, and what is made takes no visitors. What came of it is noted beside
    the backup.

    :param path: By default the newest backup.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises BundleError: There is no backup, it is damaged, or the app does not work with it.
    """
    catalog, by = operations.catalog, operations.actor
    tenant = catalog.tenants.get(slug)
    check_here(tenant.placement, operations.settings)
    chosen = choose_backup_to_check(operations, slug, path)
    with noting(operations, tenant.id, chosen, restored=True):
        operations.step("Check the whole backup")
        manifest = operations.verify(chosen)
        check_owner(manifest, tenant, chosen)
        _restore_beside(operations, slug, chosen, manifest)
    detail = {"file": chosen.name, "rows": manifest.rows}
    catalog.audit.record("tenant.drill", tenant_id=tenant.id, detail=detail, by=by)
    return manifest


def choose_backup_to_check(operations: Operations, slug: str, path: Path | None) -> Path:
    """Return the backup that is to be checked.

    :param path: By default the newest one.
    :raises BundleError: There is none, or a restore of the tenant is to be finished first.
    """
    chosen = operations.choose_backup(slug, path)
    if chosen is None:
        raise BundleError(slug, "a restore of it was interrupted; finish that one first")
    return chosen


@contextmanager
def noting(
    operations: Operations, tenant_id: str, path: Path, *, restored: bool = False
) -> Iterator[None]:
    """Note what the block finds out about a tenant's backup."""
    record = operations.catalog.backups.record_check
    try:
        yield
    except BundleRoomError:
        raise  # a full disk says nothing about the backup
    except BundleError as error:
        record(tenant_id, file=path.name, problem=error.problem)
        raise
    record(tenant_id, file=path.name, restored=restored)


def _restore_beside(operations: Operations, slug: str, path: Path, manifest: Manifest) -> None:
    source = operations.catalog.tenants.get(slug)
    wanted = provisional_tenant(
        operations,
        f"drill-{source.id}",  # always the same: the next drill removes what a killed one has left
        name=source.name,
        settings=dict(source.settings),
        plan=source.plan,
        placement=source.placement,
    )
    with wanted as tenant:
        try:
            fill_tenant(operations, tenant, path, manifest)
        except TenantryError as error:
            if error.retry_after is not None:
                raise  # a server that is away for a moment says nothing about the backup
            raise BundleError(str(path), f"it cannot be restored ({error})") from error
        operations.step("Build the app, and ask for its front page")
        if failure := find_failure(operations, tenant):
            raise BundleError(str(path), f"the app does not run on what it holds ({failure})")
        take_back(operations, tenant)
