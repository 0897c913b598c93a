"""What a site answers that is suspended, in maintenance, archived or not there yet."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant

CLOSED: dict[TenantState, tuple[int, str, int | None]] = {
    TenantState.PROVISIONING: (503, "This site is being set up.", 5),
    TenantState.MAINTENANCE: (503, "This site is down for maintenance and will be back soon.", 60),
    TenantState.SUSPENDED: (403, "This site has been suspended. Its content is safe.", None),
    TenantState.ARCHIVED: (410, "This site has been closed.", None),
    TenantState.DELETED: (410, "This site has been closed.", None),
}
"""What a site answers that is not active: status, message, seconds to wait."""

MINUTE = 60


def closed_as(tenant: Tenant) -> tuple[int, str, int | None]:
    """Return what a site answers that is not active; one in maintenance may have its own words."""
    status, message, seconds = CLOSED[tenant.state]
    if tenant.state is not TenantState.MAINTENANCE:
        return status, message, seconds
    if tenant.reopens_at is not None:
        left = (tenant.reopens_at - datetime.now(UTC)).total_seconds()
        # In whole minutes: the page is rendered once for each number of seconds.
        seconds = max(1, ceil(left / MINUTE)) * MINUTE
    return status, tenant.notice or message, seconds
