"""Suspends and resumes a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.files.locks import check_finished
from tenantry.lifecycle.everywhere import obeyed_everywhere
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


@obeyed_everywhere
def suspend_tenant(operations: Operations, slug: str, *, reason: str = "") -> Tenant:
    """Answer 403 for the site from its next request on; nothing of it is lost.

    It waits for no other operation: a suspended tenant stays so, whatever else is done to it.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is being made, or it is deleted.
    """
    tenant = operations.preview_transition(slug, TenantState.SUSPENDED)
    return operations.catalog.tenants.transition(
        tenant.id, TenantState.SUSPENDED, reason=reason, by=operations.actor
    )


@obeyed_everywhere
def resume_tenant(operations: Operations, slug: str) -> Tenant:
    """Serve the site again from its next request on, be it in maintenance, suspended or archived.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is being made, or it is deleted.
    :raises TenantLockedError: Another operation is at work on it.
    :raises UnfinishedError: A restore of it was interrupted.
    """
    tenant, settings = operations.preview_transition(slug, TenantState.ACTIVE), operations.settings
    with tenant_lock(tenant, "resumed", settings=settings, shared=True):
        check_finished(tenant, settings.files_home)
        return operations.catalog.tenants.transition(
            tenant.id, TenantState.ACTIVE, by=operations.actor
        )
