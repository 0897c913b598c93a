"""Which states an operation may bring a tenant to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.errors import BadTransitionError
from tenantry.values.tenant import TRANSITIONS, TenantState

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


def preview_transition(operations: Operations, slug: str, to: TenantState) -> Tenant:
    """Return the tenant as it is now if it may be suspended, resumed, archived or in maintenance.

    It may be in that state already.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BadTransitionError: It cannot come to that state, or only in another way.
    """
    tenant = operations.catalog.tenants.get(slug)
    if tenant.state is TenantState.DELETED and to is TenantState.ARCHIVED:
        raise BadTransitionError(slug, tenant.state, "archived without `undelete`")
    # The table lets its creation make a tenant active. No other operation may: there is no site yet.
    is_allowed = to in TRANSITIONS[tenant.state] and tenant.state is not TenantState.PROVISIONING
    if tenant.state is not to and not is_allowed:
        raise BadTransitionError(slug, tenant.state, to)
    return tenant
