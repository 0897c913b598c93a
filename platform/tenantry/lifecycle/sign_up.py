"""Opens a site for somebody who signs up, and gives up the sites that nobody confirmed."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tenantry.catalog.values import Account
from tenantry.errors import TenantryError
from tenantry.lifecycle.create import add, provision, taking_back
from tenantry.lifecycle.delete import delete_tenant
from tenantry.lifecycle.slug_claims import Claims

if TYPE_CHECKING:
    from tenantry.catalog import NewOwner
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

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


def give_up_unconfirmed(operations: Operations) -> tuple[str, ...]:
    """Delete the sites that nobody confirmed in time, and free their slugs; return these.

    Each is deleted as any other site is: with a last bundle, until its purge date. If it is
    interrupted, the next call goes on. One site's trouble keeps none of the others.
    """
    given_up = []
    for slug in operations.catalog.sign_ups.list_expired():
        try:
            deleted = delete_tenant(
                operations, slug, reason="its owner's address was not confirmed"
            )
            operations.catalog.sign_ups.give_up(deleted.tenant.id, by=operations.actor)
            given_up.append(slug)
        except TenantryError as error:
            log.warning("site %s could not be given up: %s", slug, error)
    return tuple(given_up)
