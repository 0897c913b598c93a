"""Deleting a tenant in a way that can be taken back: closed, copied, then a tombstone with a date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog.tenants import check_undeletable
from tenantry.errors import BadTransitionError, TenantExistsError, TenantLockedError
from tenantry.files.locks import check_finished, tenant_lock
from tenantry.lifecycle.slug_claims import Claims
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Actor, Catalog, TenantRow
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def delete_tenant(
    catalog: Catalog,
    slug: str,
    *,
    export: Callable[[Tenant], object] | None,
    reason: str = "",
    settings: Settings,
    by: Actor,
) -> TenantRow:
    """Close the site, take a copy of all of it, and mark it as deleted; it can come back.

    Whatever is interrupted, the same call goes on: what is archived is archived already, a copy is
    taken anew, and what is deleted keeps its purge date.

    :param export: Takes the copy. A site that was never served has nothing to copy.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantLockedError: Another operation is at work on it.
    :raises UnfinishedError: A restore of it was interrupted.
    """
    with tenant_lock(catalog.tenants.get(slug), "deleted", settings=settings):
        tenant = catalog.tenants.get(slug)  # as it is now that nobody else is at work on it
        if tenant.state is TenantState.DELETED:
            return catalog.tenants.get_row(slug)
        check_finished(tenant, settings)
        if tenant.state is TenantState.PROVISIONING:
            _check_unclaimed(slug, settings)
        else:
            # Nobody writes to it any more when the copy is taken.
            tenant = catalog.tenants.transition(
                tenant.id, TenantState.ARCHIVED, reason=reason, by=by
            )
            if export is not None:
                export(tenant)
        catalog.tenants.transition(
            tenant.id,
            TenantState.DELETED,
            reason=reason,
            purge_at=datetime.now(UTC) + timedelta(days=settings.purge_days),
            by=by,
        )
        return catalog.tenants.get_row(slug)


def _check_unclaimed(slug: str, settings: Settings) -> None:
    """Refuse a tenant that somebody is creating now."""
    try:
        with Claims(settings) as claims:
            claims.take(slug)
    except TenantExistsError as error:
        raise TenantLockedError(slug, "made") from error


def undelete_tenant(catalog: Catalog, slug: str, *, settings: Settings, by: Actor) -> Tenant:
    """Take a deletion back: the site is archived again, as it was before.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is not deleted.
    :raises TooLateError: Its purge date is over.
    :raises TenantLockedError: Another operation is at work on it.
    """
    tenant = check_undelete(catalog, slug).tenant
    with tenant_lock(tenant, "undeleted", settings=settings):
        return catalog.tenants.transition(tenant.id, TenantState.ARCHIVED, by=by)


def check_undelete(catalog: Catalog, slug: str) -> TenantRow:
    """Return the tenant if :func:`undelete_tenant` would bring it back; it raises the same errors."""
    row = catalog.tenants.get_row(slug)
    if row.tenant.state is TenantState.ARCHIVED:
        return row
    if row.tenant.state is not TenantState.DELETED:
        raise BadTransitionError(slug, row.tenant.state, "undeleted")
    check_undeletable(row)
    return row
