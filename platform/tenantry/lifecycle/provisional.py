"""Finishes or removes tenants whose creation was interrupted."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenantry.catalog.tenant_locks import name_lock, tenant_lock
from tenantry.lifecycle.create import take_back, taking_back
from tenantry.values.slugs import check_slug
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

COPYING = "is being copied"
"""The reason that the catalog keeps while a tenant is being filled by import or clone."""


@contextmanager
def provisional_tenant(operations: Operations, slug: str, **fields: Any) -> Iterator[Tenant]:
    """Add a tenant that the block fills; if it raises, remove the tenant, also one of a killed command.

    :param fields: What the catalog is to know of it.
    :raises BundleError: Another command is filling it now.
    """
    settings = operations.settings
    with name_lock(f"provisional-{slug}", what=slug, settings=settings):
        if (left := find_provisional(operations, slug)) is not None:
            # We hold the lock, so the command that was filling it is gone.
            take_back(operations, left)
        tenant = operations.catalog.tenants.add(slug, **fields, reason=COPYING, by=operations.actor)
        with (
            taking_back(operations, [tenant]),
            tenant_lock(tenant, "made", settings=settings),
        ):
            yield tenant


def find_provisional(operations: Operations, slug: str) -> Tenant | None:
    """Return the tenant that an import or a clone is filling, or left half made."""
    found = operations.catalog.tenants.find(slug)
    if found is None or found.state is not TenantState.PROVISIONING:
        return None
    # What `create` makes has another reason.
    return found if operations.catalog.tenants.get_row(slug).reason == COPYING else None


def check_free(operations: Operations, slug: str) -> None:
    """Refuse a slug that an import or a clone could not use.

    :raises BadSlugError: The slug breaks the rule or is reserved.
    :raises TenantExistsError: Another tenant has the slug, or had it.
    """
    check_slug(slug)  # it may come from a file, and a database cannot look for every text
    if find_provisional(operations, slug) is None:
        operations.catalog.names.check(slug)
