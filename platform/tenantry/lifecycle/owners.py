"""Changing who owns a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tenantry.catalog import canonical_email
from tenantry.errors import BadTransitionError, LastOwnerError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations

Change = Literal["add", "remove", "transfer"]
"""Let another account own the tenant, too; take it from one owner; give it to one account alone."""


def change_owners(operations: Operations, slug: str, change: Change, email: str) -> tuple[str, ...]:
    """Change who owns the tenant, and return its owners; an account is made if there is none.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadEmailError: The address is none.
    :raises BadTransitionError: The tenant is deleted.
    :raises LastOwnerError: Nobody would own it.
    """
    memberships = operations.catalog.memberships
    act = {
        "add": memberships.add_owner,
        "remove": memberships.remove_owner,
        "transfer": memberships.transfer,
    }[change]
    return act(operations.catalog.tenants.get(slug).id, email, by=operations.actor).owners


def preview_owners(
    operations: Operations, slug: str, change: Change, email: str
) -> tuple[str, ...]:
    """Return the owners as :func:`change_owners` would leave them."""
    tenant, email = operations.catalog.tenants.get(slug), canonical_email(email)
    if tenant.state is TenantState.DELETED:
        raise BadTransitionError(slug, tenant.state, "another account's")
    before = set(tenant.owners)
    after = {"add": before | {email}, "remove": before - {email}, "transfer": {email}}[change]
    if before and not after:
        raise LastOwnerError(slug, email)
    return tuple(sorted(after))
