"""Creating many tenants: all of them, or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.databases.placements import choose_placement
from tenantry.lifecycle.create import add, provision, taking_back
from tenantry.lifecycle.slug_claims import Claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.catalog import Actor, Catalog
    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Order:
    """What a tenant shall be."""

    slug: str
    name: str
    owner_email: str | None = None
    plan: str | None = None
    """A plan of the settings; by default the default plan."""
    placement: str | None = None
    """Where its data goes; by default the first placement with room."""


def create_tenants(
    catalog: Catalog,
    factory: Factory,
    orders: Iterable[Order],
    *,
    settings: Settings,
    by: Actor,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Tenant, ...]:
    """Create every tenant, or none: visitors see all of them from one moment on.

    :param advance: Called for each tenant that is prepared.
    :raises TenantryError: As :func:`~tenantry.lifecycle.create_tenant`; nothing was kept.
    """
    tenants: list[Tenant] = []
    owners: dict[str, str | None] = {}
    schemas: dict[str, str] = {}
    with Claims(settings) as claims, taking_back(catalog, tenants, settings=settings, by=by):
        for order in orders:
            chosen = choose_placement(settings, order.placement, catalog.tenants.count_by_placement)
            tenant = add(
                catalog,
                order.slug,
                name=order.name,
                plan=order.plan,
                placement=chosen.name,
                claims=claims,
                settings=settings,
                by=by,
            )
            tenants.append(tenant)
            schemas[tenant.id] = provision(factory, tenant, settings=settings)
            owners[tenant.id] = order.owner_email
            advance()
        return catalog.provisioning.activate(owners, schemas=schemas, by=by)
