"""Closes a site for a time, with a message for its visitors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.lifecycle.everywhere import obeyed_everywhere
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


@obeyed_everywhere
def begin_maintenance(
    operations: Operations,
    slug: str,
    *,
    notice: str = "",
    reason: str = "",
    reopens_at: datetime | None = None,
) -> Tenant:
    """Answer 503 with ``Retry-After`` for the site from its next request on.

    It waits for no other operation: a restore that is under way leaves the site closed then.
    :func:`~tenantry.lifecycle.suspend.resume_tenant` ends it.

    :param notice: What visitors read; empty for the usual sentence.
    :param reopens_at: When it should be over; ``Retry-After`` says how long that is.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is suspended, archived or deleted.
    """
    tenant = operations.preview_transition(slug, TenantState.MAINTENANCE)
    return operations.catalog.tenants.begin_maintenance(
        tenant.id, notice=notice, reason=reason, reopens_at=reopens_at, by=operations.actor
    )
