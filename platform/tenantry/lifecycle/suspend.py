"""Suspending a tenant, and letting it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.files.locks import check_finished, tenant_lock
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def suspend_tenant(catalog: Catalog, slug: str, *, reason: str = "", by: Actor) -> Tenant:
    """Answer 403 for the site from its next request on; nothing of it is lost.

    It waits for no other operation: what is suspended stays so, whatever else is done to it.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is deleted.
    """
    tenant = catalog.tenants.get(slug)
    return catalog.tenants.transition(tenant.id, TenantState.SUSPENDED, reason=reason, by=by)


def resume_tenant(catalog: Catalog, slug: str, *, settings: Settings, by: Actor) -> Tenant:
    """Serve the site again from its next request on, be it in maintenance, suspended or archived.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is deleted.
    :raises TenantLockedError: Another operation is at work on it.
    :raises UnfinishedError: A restore of it was interrupted.
    """
    tenant = catalog.tenants.get(slug)
    with tenant_lock(tenant, "resumed", settings=settings, shared=True):
        check_finished(tenant, settings)
        return catalog.tenants.transition(tenant.id, TenantState.ACTIVE, by=by)
