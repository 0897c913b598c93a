"""Creating a tenant: the catalog's row, its own data, its owner; or nothing at all."""

from __future__ import annotations

import logging
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenantry.catalog.accounts import canonical_email
from tenantry.databases.placements import choose_placement, tenant_database
from tenantry.errors import ProvisionError, TenantryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.catalog import Actor, Catalog
    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.tenant import Tenant

log = logging.getLogger(__name__)


def create_tenant(
    catalog: Catalog,
    factory: Factory,
    slug: str,
    *,
    name: str,
    owner_email: str | None = None,
    site_settings: Mapping[str, Any] | None = None,
    plan: str = "free",
    placement: str | None = None,
    settings: Settings,
    by: Actor,
) -> Tenant:
    """Create a tenant whose site can be visited when this returns.

    :param owner_email: Gets an account, if it has none, and owns the tenant.
    :param site_settings: The site's own settings.
    :param placement: Where its data goes; by default the first placement with room.
    :raises BadSlugError: The slug breaks the rule or is reserved.
    :raises TenantExistsError: The slug is taken.
    :raises BadEmailError: The owner's address is none.
    :raises UnknownPlacementError: There is no such placement.
    :raises NoRoomError: All placements are full.
    :raises ProvisionError: The tenant's data could not be made; nothing of it was kept.
    """
    email = canonical_email(owner_email) if owner_email else None
    chosen = choose_placement(settings, placement, catalog.count_placements)
    tenant = catalog.add_tenant(
        slug, name=name, settings=site_settings, plan=plan, placement=chosen.name, by=by
    )
    with taking_back(catalog, [tenant], settings=settings, by=by):
        provision(factory, tenant)
        return catalog.activate_tenants({tenant.id: email}, by=by)[0]


def provision(factory: Factory, tenant: Tenant) -> None:
    """Make the tenant's own data.

    :raises ProvisionError: The factory's hook failed; its traceback is logged.
    """
    try:
        factory.provision(tenant)
    except TenantryError:
        raise
    except Exception as error:
        log.exception("provisioning of tenant %s (%s) failed", tenant.slug, tenant.id)
        raise ProvisionError(tenant.slug, f"{type(error).__name__}: {error}") from error


@contextmanager
def taking_back(
    catalog: Catalog, tenants: Sequence[Tenant], *, settings: Settings, by: Actor
) -> Iterator[None]:
    """Leave nothing of *tenants* behind if the block does not end well, Ctrl-C included.

    :param tenants: Read when the block has failed, so it may grow meanwhile.
    """
    try:
        yield
    except BaseException:
        for tenant in tenants:
            take_back(catalog, tenant, settings=settings, by=by)
        raise


def take_back(catalog: Catalog, tenant: Tenant, *, settings: Settings, by: Actor) -> None:
    """Remove a tenant that was never let in to, as far as that is possible."""
    try:
        # First the row: data without a row is lost space, a row without its data a broken site.
        catalog.forget_tenant(tenant.id, by=by)
    except TenantryError:
        log.exception("tenant %s (%s) could not be taken back", tenant.slug, tenant.id)
        return
    try:
        tenant_database(tenant, settings).drop()
    except (TenantryError, OSError):
        log.exception("the data of tenant %s (%s) could not be removed", tenant.slug, tenant.id)
    shutil.rmtree(settings.tenant_dir(tenant.id), ignore_errors=True)
