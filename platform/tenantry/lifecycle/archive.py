"""Archives a tenant: its site answers 410, and its data stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.lifecycle.everywhere import obeyed_everywhere
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


@obeyed_everywhere
def archive_tenant(operations: Operations, slug: str, *, reason: str = "") -> Tenant:
    """Answer 410 for the site from its next request on; all of it is kept.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is being made, or it is deleted: `undelete` brings it back.
    """
    tenant = operations.preview_transition(slug, TenantState.ARCHIVED)
    return operations.catalog.tenants.transition(
        tenant.id, TenantState.ARCHIVED, reason=reason, by=operations.actor
    )
