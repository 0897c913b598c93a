"""Deleting a tenant in a way that can be taken back: closed, copied, then a tombstone with a date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog.tenants import check_undeletable
from tenantry.errors import BadTransitionError
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Actor, Catalog, TenantRow
    from tenantry.settings import Settings
    from tenantry.tenant import Tenant


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
    """
    tenant = catalog.get_tenant(slug)
    if tenant.state is not TenantState.DELETED:
        if tenant.state is not TenantState.PROVISIONING:
            # Nobody writes to it any more when the copy is taken.
            tenant = catalog.move_tenant(tenant.id, TenantState.ARCHIVED, reason=reason, by=by)
            if export is not None:
                export(tenant)
        catalog.move_tenant(
            tenant.id,
            TenantState.DELETED,
            reason=reason,
            purge_at=datetime.now(UTC) + timedelta(days=settings.purge_days),
            by=by,
        )
    return catalog.get_row(slug)


def undelete_tenant(catalog: Catalog, slug: str, *, by: Actor) -> Tenant:
    """Take a deletion back: the site is archived again, as it was before.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is not deleted.
    :raises TooLateError: Its purge date is over.
    """
    row = check_undelete(catalog, slug)
    return catalog.move_tenant(row.tenant.id, TenantState.ARCHIVED, by=by)


def check_undelete(catalog: Catalog, slug: str) -> TenantRow:
    """Return the tenant if :func:`undelete_tenant` would bring it back; it raises the same errors."""
    row = catalog.get_row(slug)
    if row.tenant.state is TenantState.ARCHIVED:
        return row
    if row.tenant.state is not TenantState.DELETED:
        raise BadTransitionError(slug, row.tenant.state, "undeleted")
    check_undeletable(row)
    return row
