"""The context of a tenant's app outside of a request: in tasks, threads and scripts."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import Flask

from tenantry.catalog import open_catalog
from tenantry.catalog.joining import join_fleet
from tenantry.errors import FactoryError, TenantClosedError
from tenantry.flask.factories import load_factory
from tenantry.pool import InstancePool
from tenantry.resources.budget import Budget
from tenantry.settings import get_settings
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

SERVED = (TenantState.ACTIVE, TenantState.MAINTENANCE, TenantState.SUSPENDED)
"""The states in which a tenant has data that a task could work on."""
BUILD_SECONDS = 300.0
"""How long a task waits for its tenant's app: longer than a visitor would."""
THREADS = 256
"""Tasks that may wait for builds at once."""


class _Apps:
    """The apps of a process that serves no requests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._catalog = open_catalog(settings)
        join_fleet(self._catalog, settings)
        factory = load_factory(settings)
        self._pool: InstancePool[Any] = InstancePool(
            factory.build,
            dispose=factory.dispose,
            budget=Budget(instances=settings.pool_instances, memory_mb=settings.pool_memory_mb),
            build_seconds=BUILD_SECONDS,
            max_waiters=THREADS,
            max_waiting=THREADS,
        )

    def find(self, tenant: str | Tenant) -> Tenant:
        """Return the tenant as it is now."""
        tenants = self._catalog.tenants
        if not isinstance(tenant, str):
            return tenants.get_by_id(tenant.id)
        return tenants.find_by_id(tenant) or tenants.get(tenant)

    @contextmanager
    def context(self, tenant: str | Tenant) -> Iterator[Flask]:
        """Push the context of the tenant's app."""
        found = self.find(tenant)
        if found.state not in SERVED:
            raise TenantClosedError(found.slug, found.state.value)
        with self._pool.acquire(found) as lease:
            if not isinstance(lease.instance, Flask):
                raise FactoryError(self._settings.factory, "it makes no Flask app")
            with lease.instance.app_context():
                yield lease.instance


@lru_cache(maxsize=1)
def _apps(_process: int) -> _Apps:
    # A worker that is forked from this process has its own: threads and connections are not shared.
    return _Apps(get_settings())


@contextmanager
def for_tenant(tenant: str | Tenant) -> Iterator[Flask]:
    """Run the block in the context of a tenant's app: in a task, a thread or a script.

    .. code-block:: python

        with for_tenant(tenant_id):
            send_reminders()

    ``current_app``, ``current_tenant`` and the app's database are the tenant's. The app is built at the
    first use in a process and again when the tenant has changed.

    :param tenant: The tenant, its id or its slug. Let a task carry the id: the slug can change.
    :raises TenantNotFoundError: There is no such tenant.
    :raises TenantClosedError: It has no data that could be worked on.
    :raises PoolError: Its app cannot be built.
    """
    with _apps(os.getpid()).context(tenant) as app:
        yield app
