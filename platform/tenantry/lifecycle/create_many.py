"""Creates many tenants: all of them, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.lifecycle.create import add, provision, taking_back
from tenantry.lifecycle.slug_claims import Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Order:
    """A tenant to be created."""

    slug: str
    name: str
    owner_email: str | None = None
    plan: str | None = None
    """A plan of the settings; by default the default plan."""
    placement: str | None = None
    """Where its data goes; by default the first placement with room."""


def create_tenants(
    operations: Operations, orders: Iterable[Order], *, advance: Callable[[], None] = lambda: None
) -> tuple[Tenant, ...]:
    """Create every tenant, or none: visitors see all of them from one moment on.

    :param advance: Called for each tenant that is prepared.
    :raises TenantryError: As :func:`~tenantry.lifecycle.create.create_tenant`; nothing was kept.
    """
    tenants: list[Tenant] = []
    owners: dict[str, str | None] = {}
    schemas: dict[str, str] = {}
    with Claims(operations.settings) as claims, taking_back(operations, tenants):
        for order in orders:
            tenant = add(
                operations,
                order.slug,
                name=order.name,
                plan=order.plan,
                placement=order.placement,
                claims=claims,
            )
            tenants.append(tenant)
            schemas[tenant.id] = provision(operations, tenant)
            owners[tenant.id] = order.owner_email
            advance()
        return operations.catalog.provisioning.activate(
            owners, schemas=schemas, by=operations.actor
        )
