"""Closing a site for a time, with a sentence for its visitors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.catalog import Actor, Catalog
    from tenantry.values.tenant import Tenant


def begin_maintenance(
    catalog: Catalog,
    slug: str,
    *,
    notice: str = "",
    reason: str = "",
    reopens_at: datetime | None = None,
    by: Actor,
) -> Tenant:
    """Answer 503 with ``Retry-After`` for the site from its next request on.

    It waits for no other operation: a restore that is under way leaves the site closed then.
    :func:`~tenantry.lifecycle.resume_tenant` ends it.

    :param notice: What visitors read; empty for the usual sentence.
    :param reopens_at: When it should be over; ``Retry-After`` says how long that is.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is suspended, archived or deleted.
    """
    tenant = catalog.tenants.get(slug)
    return catalog.tenants.begin_maintenance(
        tenant.id, notice=notice, reason=reason, reopens_at=reopens_at, by=by
    )
