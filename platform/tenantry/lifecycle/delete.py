"""Deletes a tenant: archives it, writes a bundle, and sets a purge date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.catalog.tenants import check_undeletable
from tenantry.databases.placements import check_here
from tenantry.errors import BadTransitionError, TenantExistsError, TenantLockedError
from tenantry.files.atomic import rename
from tenantry.lifecycle.everywhere import obeyed_everywhere
from tenantry.lifecycle.export import reading
from tenantry.lifecycle.slug_claims import Claims
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import TenantRow
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

_DELETION = ("deleted", "archived")
"""The newest states of a deleted tenant in its trail."""


@obeyed_everywhere
def delete_tenant(operations: Operations, slug: str, *, reason: str = "") -> TenantRow:
    """Close the site, write a bundle of all of it, and mark it as deleted; it can come back.

    If it is interrupted, the same call goes on: what is archived stays archived, the bundle is written
    anew, and what is deleted keeps its purge date. A site that was never served has no bundle.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantLockedError: Another operation is at work on it.
    :raises UnfinishedError: A restore of it was interrupted.
    :raises BundleError: The bundle cannot be written. The site is archived and not deleted.
    """
    catalog, settings, by = operations.catalog, operations.settings, operations.actor
    with tenant_lock(catalog.tenants.get(slug), "deleted", settings=settings):
        row = operations.preview_delete(slug)  # as it is under the lock
        tenant = row.tenant
        if tenant.state is TenantState.DELETED:
            return row
        if tenant.state is not TenantState.PROVISIONING:
            # Nobody writes to it any more when the bundle is written.
            catalog.tenants.transition(tenant.id, TenantState.ARCHIVED, reason=reason, by=by)
            _write_last_bundle(operations, tenant)
        catalog.tenants.transition(
            tenant.id,
            TenantState.DELETED,
            reason=reason,
            purge_at=datetime.now(UTC) + timedelta(days=settings.purge_days),
            by=by,
        )
        return catalog.tenants.get_row(slug)


def preview_delete(operations: Operations, slug: str) -> TenantRow:
    """Return the tenant as it is now if :func:`delete_tenant` would succeed."""
    row = operations.catalog.tenants.get_row(slug)
    if row.tenant.state is not TenantState.DELETED:
        check_here(row.tenant.placement, operations.settings)
    if row.tenant.state is TenantState.PROVISIONING:
        _check_unclaimed(slug, operations.settings)
    elif row.tenant.state is not TenantState.DELETED:
        with reading(row.tenant, "deleted", settings=operations.settings):
            pass
    return row


def _write_last_bundle(operations: Operations, tenant: Tenant) -> None:
    """Write the tenant's last bundle, over the one of an earlier deletion."""
    path = operations.settings.last_bundle(tenant.id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    # A tenant whose database is gone must be deletable, too.
    operations.export(tenant.slug, new, even_if_lost=True)
    rename(new, path)


def _check_unclaimed(slug: str, settings: Settings) -> None:
    """Refuse a tenant that another command is creating now."""
    try:
        with Claims(settings) as claims:
            claims.take(slug)
    except TenantExistsError as error:
        raise TenantLockedError(slug, "made") from error


def undelete_tenant(operations: Operations, slug: str) -> Tenant:
    """Take a deletion back: the site is archived again, as it was before.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is not deleted.
    :raises TooLateError: Its purge date is over.
    :raises TenantLockedError: Another operation is at work on it.
    """
    tenant = operations.preview_undelete(slug).tenant
    with tenant_lock(tenant, "undeleted", settings=operations.settings):
        return operations.catalog.tenants.transition(
            tenant.id, TenantState.ARCHIVED, by=operations.actor
        )


def undelete_own(operations: Operations, slug: str) -> Tenant:
    """Take back what the tenant's owners have deleted; a site that was served is served again.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: Its owners have not deleted it.
    :raises TooLateError: Its purge date is over.
    :raises TenantLockedError: Another operation is at work on it.
    """
    tenant = operations.catalog.tenants.get(slug)
    before = _find_state_before(operations, tenant)
    if before is None:
        raise BadTransitionError(slug, tenant.state, "undeleted by its owners")
    undeleted = operations.undelete(slug)
    return operations.resume(slug) if before == TenantState.ACTIVE else undeleted


def find_own_grace(operations: Operations, tenant: Tenant) -> datetime | None:
    """Return until when the tenant's owners can undelete it; ``None`` if they cannot."""
    row = operations.catalog.tenants.get_row(tenant.slug)
    if tenant.state is not TenantState.DELETED or row.is_due:
        return None
    return row.purge_at if _find_state_before(operations, tenant) else None


def _find_state_before(operations: Operations, tenant: Tenant) -> str | None:
    """Return the state in which owners have deleted their site; ``None`` if they have not.

    What an operator closed before, or deleted, only an operator opens again.
    """
    trail = operations.catalog.audit.list(tenant_id=tenant.id, action="tenant.state", size=2)
    if len(trail.items) < len(_DELETION):
        return None
    steps = tuple(event.detail["after"] for event in trail.items)
    if steps != _DELETION or any(event.actor_kind != "owner" for event in trail.items):
        return None
    return str(trail.items[-1].detail["before"])


def preview_undelete(operations: Operations, slug: str) -> TenantRow:
    """Return the tenant as it is now if :func:`undelete_tenant` would succeed.

    It is archived already if it was undeleted before.
    """
    row = operations.catalog.tenants.get_row(slug)
    if row.tenant.state is TenantState.ARCHIVED:
        return row
    if row.tenant.state is not TenantState.DELETED:
        raise BadTransitionError(slug, row.tenant.state, "undeleted")
    check_undeletable(row)
    return row
