"""Creating a tenant: the catalog's row, its own data, its owner; or nothing at all."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING, Any

from tenantry.catalog.accounts import canonical_email
from tenantry.errors import AccountExistsError, ProvisionError, TenantryError
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.catalog import Account, Actor, Catalog
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
    settings: Settings,
    by: Actor,
) -> Tenant:
    """Create a tenant whose site can be visited when this returns.

    :param owner_email: Gets an account, if it has none, and owns the tenant.
    :param site_settings: The site's own settings.
    :raises BadSlugError: The slug breaks the rule or is reserved.
    :raises TenantExistsError: The slug is taken.
    :raises BadEmailError: The owner's address is none.
    :raises ProvisionError: The tenant's data could not be made; nothing of it was kept.
    """
    email = canonical_email(owner_email) if owner_email else None
    tenant = catalog.add_tenant(slug, name=name, settings=site_settings, by=by)
    try:
        factory.provision(tenant)
        if email:
            owner = _account(catalog, email, by)
            catalog.add_membership(owner.id, tenant.id, "owner", by=by)
        return catalog.move_tenant(tenant.id, TenantState.ACTIVE, by=by)
    except Exception as error:
        log.exception("provisioning of tenant %s (%s) failed", slug, tenant.id)
        shutil.rmtree(settings.tenant_dir(tenant.id), ignore_errors=True)
        catalog.forget_tenant(tenant.id, by=by)
        if isinstance(error, TenantryError):
            raise
        raise ProvisionError(slug, f"{type(error).__name__}: {error}") from error


def _account(catalog: Catalog, email: str, by: Actor) -> Account:
    if (found := catalog.find_account(email)) is not None:
        return found
    try:
        return catalog.add_account(email, by=by)
    except AccountExistsError:  # somebody else has just added it
        account = catalog.find_account(email)
        if account is None:
            raise
        return account
