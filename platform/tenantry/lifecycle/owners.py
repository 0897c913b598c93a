"""Changing who owns a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog import canonical_email
from tenantry.errors import LastOwnerError

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


def change_owners(
    operations: Operations,
    slug: str,
    *,
    add: str | None = None,
    remove: str | None = None,
    transfer: str | None = None,
) -> Tenant:
    """Let another account own the tenant, take it from one, or give it to one alone.

    :param add: E-mail address of an account that owns it, too; it is made if there is none.
    :param remove: Address of an owner; at least one stays.
    :param transfer: Address of the account that owns it from now on, and nobody else.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadEmailError: The address is none.
    :raises LastOwnerError: Nobody would own it.
    """
    before, after = operations.preview_owners(slug, add=add, remove=remove, transfer=transfer)
    catalog, by = operations.catalog, operations.actor
    tenant = catalog.tenants.get(slug)
    if set(before) == set(after):
        return tenant
    if transfer is not None:
        return catalog.memberships.transfer(tenant.id, canonical_email(transfer), by=by)
    if add is not None:
        return catalog.memberships.add_owner(tenant.id, canonical_email(add), by=by)
    return catalog.memberships.remove_owner(tenant.id, canonical_email(remove or ""), by=by)


def preview_owners(
    operations: Operations,
    slug: str,
    *,
    add: str | None = None,
    remove: str | None = None,
    transfer: str | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the owners as they are, and as :func:`change_owners` would leave them."""
    before = operations.catalog.tenants.get(slug).owners
    after = set(before)
    if transfer is not None:
        after = {canonical_email(transfer)}
    elif add is not None:
        after.add(canonical_email(add))
    elif remove is not None:
        after.discard(canonical_email(remove))
        if before and not after:
            raise LastOwnerError(slug, canonical_email(remove))
    return before, tuple(sorted(after))
