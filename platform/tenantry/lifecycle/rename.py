"""Renames a tenant; its former name redirects for a time.

Everything of a tenant is named by its id, so nothing on disk moves and no key changes. Sessions on its
own hosts go on. Those under the platform's domain belong to the old host, as cookies do: they work
again if the tenant takes its old name back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog.names import check_renamable
from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.errors import TenantRenamedError

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


def rename_tenant(operations: Operations, slug: str, new: str) -> Tenant:
    """Serve the tenant under *new* from the next request on, and redirect there from *slug*.

    Running it again changes nothing.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadSlugError: The new slug breaks the rule or is reserved.
    :raises BadTransitionError: The tenant is being made, or is deleted.
    :raises TenantExistsError: Another tenant has the new slug, or had it.
    :raises TenantLockedError: Another operation is at work on it.
    """
    tenant, settings = operations.preview_rename(slug, new), operations.settings
    if tenant.slug == new:
        return tenant
    until = datetime.now(UTC) + timedelta(days=settings.rename_redirect_days)
    with tenant_lock(tenant, "renamed", settings=settings, shared=True, with_data=False):
        return operations.catalog.names.rename(
            tenant.id, new, redirects_until=until, by=operations.actor
        )


def preview_rename(operations: Operations, slug: str, new: str) -> Tenant:
    """Return the tenant as it is now if :func:`rename_tenant` would succeed.

    It has the new name already if it was renamed before.
    """
    catalog = operations.catalog
    try:
        tenant = catalog.tenants.get(slug)
    except TenantRenamedError as error:
        if error.now != new:
            raise
        return catalog.tenants.get(new)
    check_renamable(tenant)
    catalog.names.check(new, tenant_id=tenant.id)
    return tenant
