"""The lock of a tenant, in a fleet as on one machine: one operation at a time, where its data are."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenantry.databases.placements import check_here
from tenantry.files import locks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@contextmanager
def tenant_lock(
    tenant: Tenant,
    doing: str,
    *,
    settings: Settings,
    shared: bool = False,
    wait: float = locks.WAIT_SECONDS,
    with_data: bool = True,
) -> Iterator[None]:
    """Keep other operations from the tenant meanwhile. What a holder does itself may lock it again.

    :param doing: What is done to the tenant, for those who are kept away: it is being *restored*.
    :param shared: Only those that exchange or destroy something are kept away, not each other.
    :param wait: Seconds to wait for another operation.
    :param with_data: Whether its database or its files are needed.
    :raises TenantLockedError: Another operation is at work on it.
    :raises ElsewhereError: Its database or its files belong to another node.
    """
    if with_data:
        check_here(tenant.placement, settings)
    with locks.tenant_lock(tenant, doing, data_dir=settings.data_dir, shared=shared, wait=wait):
        yield
