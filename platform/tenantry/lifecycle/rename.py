"""Giving a tenant another name; its old addresses lead to the new one for a time.

Everything of a tenant is named by its id, so nothing on disk moves and no key changes. Sessions on its
own hosts go on; those under the platform's domain belong to the old host, as cookies do, and are there
again if the tenant takes its old name back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog.names import check_renamable
from tenantry.errors import TenantRenamedError
from tenantry.files.locks import tenant_lock

if TYPE_CHECKING:
    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def rename_tenant(
    catalog: Catalog, slug: str, new: str, *, settings: Settings, by: Actor
) -> Tenant:
    """Serve the tenant under *new* from the next request on, and lead there from *slug*.

    Saying it again changes nothing.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadSlugError: The new slug breaks the rule or is reserved.
    :raises BadTransitionError: The tenant is being made, or is deleted.
    :raises TenantExistsError: Another tenant has the new slug, or had it.
    :raises TenantLockedError: Another operation is at work on it.
    """
    try:
        tenant = catalog.tenants.get(slug)
    except TenantRenamedError as error:
        if error.now != new:
            raise
        return catalog.tenants.get(new)
    until = datetime.now(UTC) + timedelta(days=settings.rename_redirect_days)
    with tenant_lock(tenant, "renamed", settings=settings, shared=True):
        return catalog.names.rename(tenant.id, new, redirects_until=until, by=by)


def check_rename(catalog: Catalog, slug: str, new: str) -> Tenant:
    """Return the tenant if :func:`rename_tenant` would rename it; it raises the same errors."""
    tenant = catalog.tenants.get(slug)
    check_renamable(tenant)
    catalog.names.check(new, tenant_id=tenant.id)
    return tenant
