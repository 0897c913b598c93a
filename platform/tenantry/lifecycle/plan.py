"""Changes a tenant's plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.lifecycle.everywhere import obeyed_everywhere

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@obeyed_everywhere
def change_plan(operations: Operations, slug: str, plan: str) -> Tenant:
    """Hold the site to the limits of *plan* from its next request on.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises UnknownPlanError: There is no such plan.
    """
    tenant = operations.preview_plan(slug, plan)
    return operations.catalog.tenants.change_plan(tenant.id, plan, by=operations.actor)


def preview_plan(operations: Operations, slug: str, plan: str) -> Tenant:
    """Return the tenant as it is now if :func:`change_plan` would succeed."""
    tenant = operations.catalog.tenants.get(slug)
    operations.settings.get_plan(plan)
    return tenant


def find_unnamed_plans(settings: Settings, counts: Mapping[str, int]) -> list[str]:
    """Return a sentence for each plan that tenants have and that the settings do not name.

    :param counts: How many tenants have each plan.
    """
    return [
        f"TENANTRY_LIMIT_PLANS does not name the plan {name!r}, which {count} "
        f"{'tenant has: it gets' if count == 1 else 'tenants have: they get'} the limits of "
        f"{settings.default_plan!r}. Name it there, or choose another one with "
        "`tenantry tenant plan`."
        for name, count in sorted(counts.items())
        if name not in settings.plans
    ]
