"""Creates a tenant: catalog row, data and owner, or nothing."""

from __future__ import annotations

import logging
import shutil
import socket
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from tenantry.catalog.accounts import canonical_email
from tenantry.catalog.joining import find_node_id
from tenantry.databases.placements import choose_placement, tenant_database
from tenantry.errors import ProvisionError, TenantExistsError, TenantryError
from tenantry.files.disk import explain
from tenantry.lifecycle.slug_claims import Claims
from tenantry.lifecycle.trial import find_failure
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tenantry.catalog import TenantRow
    from tenantry.factory import Factory
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

CREATING = "being created"
"""How the reason begins of a tenant in state *provisioning* whose slug its creator has claimed."""
ABANDONED = timedelta(minutes=10)
"""How old such a row must be where claims of other machines cannot be seen."""


def create_tenant(
    operations: Operations,
    slug: str,
    *,
    name: str,
    owner_email: str | None = None,
    site_settings: Mapping[str, Any] | None = None,
    plan: str | None = None,
    placement: str | None = None,
) -> Tenant:
    """Create a tenant whose site can be visited when this returns.

    :param owner_email: Gets an account, if it has none, and owns the tenant.
    :param site_settings: The site's own settings.
    :param plan: A plan of the settings; by default the default plan.
    :param placement: Where its data goes; by default the first placement with room.
    :raises BadSlugError: The slug breaks the rule or is reserved.
    :raises TenantExistsError: The slug is taken.
    :raises BadEmailError: The owner's address is none.
    :raises UnknownPlanError: There is no such plan.
    :raises UnknownPlacementError: There is no such placement.
    :raises NoRoomError: All placements are full.
    :raises PlacementKindError: The app cannot live on the placement.
    :raises ProvisionError: The tenant's data could not be made, or its app does not run on the
        placement asked for; nothing of it was kept.
    """
    email = canonical_email(owner_email) if owner_email else None
    with Claims(operations.settings) as claims:
        tenant = add(
            operations,
            slug,
            name=name,
            site_settings=site_settings,
            plan=plan,
            placement=placement,
            claims=claims,
        )
        with taking_back(operations, [tenant]):
            return complete_tenant(
                operations, tenant, owner_email=email, tried=placement is not None
            )


def complete_tenant(
    operations: Operations, tenant: Tenant, *, owner_email: str | None = None, tried: bool = False
) -> Tenant:
    """Make the data of a tenant that is being created, and let visitors in.

    :param tried: Whether its app is first built and asked for its front page.
    :raises ProvisionError: Its data could not be made, or its app does not run.
    """
    schemas = {tenant.id: provision(operations, tenant)}
    if tried and (failure := find_failure(operations, tenant)):
        problem = f"its app does not run on placement {tenant.placement!r} ({failure})"
        raise ProvisionError(tenant.slug, problem)
    return operations.catalog.provisioning.activate(
        {tenant.id: owner_email}, schemas=schemas, by=operations.actor
    )[0]


def add(
    operations: Operations,
    slug: str,
    *,
    name: str,
    site_settings: Mapping[str, Any] | None = None,
    plan: str | None,
    placement: str | None,
    claims: Claims,
) -> Tenant:
    """Add the tenant's row, in place of one that an interrupted creation left behind.

    :raises UnknownPlanError: There is no such plan.
    :raises UnknownPlacementError: There is no such placement.
    :raises NoRoomError: All placements are full.
    :raises TenantExistsError: The slug is taken, or another command is creating it now.
    """
    catalog, settings = operations.catalog, operations.settings
    chosen = choose_placement(
        settings,
        placement,
        catalog.tenants.count_by_placement,
        kinds=operations.factory.placements,
    )
    chosen_plan = settings.get_plan(plan)
    claims.take(slug)

    row = partial(
        catalog.tenants.add,
        slug,
        name=name,
        settings=site_settings,
        plan=chosen_plan,
        placement=chosen.name,
        reason=_reason(settings),
        by=operations.actor,
    )

    try:
        return row()
    except TenantExistsError:
        if catalog.tenants.find(slug) is None:  # it is another one's former name
            raise
        left = catalog.tenants.get_row(slug)
        if not _is_abandoned(left, settings):
            raise
        log.warning("tenant %s was being created when its process ended; it starts again", slug)
        take_back(operations, left.tenant)
        return row()


def provision(operations: Operations, tenant: Tenant) -> str:
    """Make the tenant's own data, and return its schema revision, if there are any.

    :raises ProvisionError: The factory's hook failed; its traceback is logged.
    """
    factory = operations.factory
    try:
        factory.provision(tenant)
        return find_schema(factory, tenant, settings=operations.settings)
    except TenantryError:
        raise
    except Exception as error:
        log.exception("provisioning of tenant %s (%s) failed", tenant.slug, tenant.id)
        said = explain(error) if isinstance(error, OSError) else None
        raise ProvisionError(tenant.slug, said or f"{type(error).__name__}: {error}") from error


def find_schema(factory: Factory, tenant: Tenant, *, settings: Settings) -> str:
    """Return the schema revision of the tenant's database; empty where there are none."""
    if factory.migrations is None:
        return ""
    return tenant_database(tenant, settings).revision()


@contextmanager
def taking_back(operations: Operations, tenants: Sequence[Tenant]) -> Iterator[None]:
    """Remove *tenants* again if the block raises, also at Ctrl-C.

    :param tenants: Read when the block has failed, so it may grow meanwhile.
    """
    try:
        yield
    except BaseException:
        for tenant in tenants:
            take_back(operations, tenant)
        raise


def _is_abandoned(row: TenantRow, settings: Settings) -> bool:
    """Say whether the command that created it is gone; the slug is claimed by us."""
    creating = row.reason.startswith(CREATING)
    if row.tenant.state is not TenantState.PROVISIONING or not creating:
        return False
    here = settings.catalog_url.startswith("sqlite") or row.reason == _reason(settings)
    return here or datetime.now(UTC) - row.created_at > ABANDONED


def _reason(settings: Settings) -> str:
    """Return why a tenant is not served while it is created here, where claims can be seen."""
    if settings.is_fleet:
        return f"{CREATING} on node {find_node_id(settings)}"
    return f"{CREATING} on {socket.gethostname()}, {settings.data_dir}"[:500]


def take_back(operations: Operations, tenant: Tenant) -> None:
    """Remove a tenant that was never served, as far as that is possible."""
    catalog, by = operations.catalog, operations.actor
    try:
        catalog.provisioning.check_forgettable(tenant.id, by=by)
        # The row goes last: after a kill, nothing would point to data without a row.
        remove_data(tenant, operations.settings)
        catalog.provisioning.forget(tenant.id, by=by)
    except TenantryError:
        log.exception("tenant %s (%s) could not be removed", tenant.slug, tenant.id)


def remove_data(tenant: Tenant, settings: Settings) -> None:
    """Remove the data of a tenant that was never served, as far as that is possible."""
    try:
        tenant_database(tenant, settings).drop()
    except (TenantryError, OSError):
        log.exception("the data of tenant %s (%s) could not be removed", tenant.slug, tenant.id)
    shutil.rmtree(settings.tenant_dir(tenant.id), ignore_errors=True)
