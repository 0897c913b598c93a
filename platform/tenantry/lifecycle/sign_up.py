"""Opens a site for somebody who signs up, and gives up the sites that nobody confirmed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog.values import Account
from tenantry.lifecycle.create import add, provision, taking_back
from tenantry.lifecycle.delete import delete_tenant
from tenantry.lifecycle.slug_claims import Claims

if TYPE_CHECKING:
    from tenantry.catalog import NewOwner
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

HELD_FOR = timedelta(hours=48)
"""How long a site waits for its owner to confirm the address."""


def sign_up(
    operations: Operations, slug: str, *, name: str, owner: NewOwner | Account
) -> tuple[Tenant, Account]:
    """Create a tenant for its owner, whose site can be visited when this returns.

    Until the owner's address is confirmed, the site is held: it is quiet, and given up after
    :data:`HELD_FOR`.

    :raises BadSlugError: The slug breaks the rule or is reserved.
    :raises TenantExistsError: The slug is taken.
    :raises NoRoomError: All placements are full.
    :raises ProvisionError: The tenant's data could not be made; nothing of it was kept.
    """
    confirmed = isinstance(owner, Account) and owner.confirmed_at is not None
    with Claims(operations.settings) as claims:
        tenant = add(operations, slug, name=name, plan=None, placement=None, claims=claims)
        with taking_back(operations, [tenant]):
            return operations.catalog.sign_ups.open(
                tenant.id,
                owner,
                schema=provision(operations, tenant),
                held_until=None if confirmed else datetime.now(UTC) + HELD_FOR,
                by=operations.actor,
            )


def give_up_unconfirmed(operations: Operations, slug: str) -> None:
    """Delete a site that nobody confirmed in time, and free its slug.

    It is deleted as any other site is: with a last bundle, until its purge date. If this is
    interrupted, the next call goes on. A site that is confirmed meanwhile stays.

    :raises TenantNotFoundError: The tenant does not exist.
    :raises ElsewhereError: Another node has its files.
    """
    tenant = operations.catalog.tenants.get(slug)
    if tenant.held_until is None or tenant.held_until > datetime.now(UTC):
        return
    deleted = delete_tenant(operations, slug, reason="its owner's address was not confirmed")
    operations.catalog.sign_ups.give_up(deleted.tenant.id, by=operations.actor)
