"""Closing a site without losing anything of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.errors import BadTransitionError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Actor, Catalog
    from tenantry.values.tenant import Tenant


def archive_tenant(catalog: Catalog, slug: str, *, reason: str = "", by: Actor) -> Tenant:
    """Answer 410 for the site from its next request on; all of it is kept.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It is being made, or deleted: that one is undeleted, which is meant.
    """
    tenant = catalog.tenants.get(slug)
    if tenant.state is TenantState.DELETED:
        raise BadTransitionError(slug, tenant.state, "archived without `undelete`")
    return catalog.tenants.transition(tenant.id, TenantState.ARCHIVED, reason=reason, by=by)
