"""Warm-up: builds the most used tenants before their first visitor.

A new worker builds the first of the list that its predecessors have left
(:mod:`tenantry.resources.popularity`), one after the other, in a thread of its own.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tenantry.errors import TenantryError
from tenantry.resources.background_thread import BackgroundThread
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog
    from tenantry.catalog.directory import Directory
    from tenantry.pool import InstancePool
    from tenantry.resources.popularity import Popularity
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)


class WarmUp:
    """Builds what was used most, in the background, until it is done or the pool is full.

    :param probe: Sends a new instance its first request, which loads what it loads lazily.
    :param most: Instances to build.
    """

    def __init__(
        self,
        *,
        popularity: Popularity,
        catalog: Catalog,
        directory: Directory,
        pool: InstancePool[Any],
        probe: Callable[[Any, Tenant], None],
        most: int,
    ) -> None:
        self._popularity = popularity
        self._catalog = catalog
        self._directory = directory
        self._pool = pool
        self._probe = probe
        self._most = most
        self._thread = BackgroundThread("warm-up", self._run)
        self.start = self._thread.start

    def stop(self) -> None:
        """Begin no further build; do not wait for the one that has begun."""
        self._thread.stop(0)

    def _run(self) -> None:
        built = 0
        for tenant_id in self._popularity.load():
            if built >= self._most or self._thread.stopping.is_set():
                break
            try:
                built += self._warm(tenant_id)
            except TenantryError as error:
                log.warning("warming up %s: %s", tenant_id, error)
        log.info("warmed up %d instances", built)

    def _warm(self, tenant_id: str) -> bool:
        found = self._catalog.tenants.find_by_id(tenant_id)
        if found is None or found.state is not TenantState.ACTIVE:
            return False
        # Asked by its names, so that the directory knows them when the first visitor comes.
        tenant = self._directory.find_by_slug(found.slug)
        if tenant is None or not self._pool.warm(tenant):
            return False
        try:
            for host in tenant.hosts:
                self._directory.find(host)
            with self._pool.acquire(tenant) as lease:
                self._probe(lease.instance, tenant)
        except BaseException as error:  # noqa: BLE001 - visitors will see it, in the app's own words
            log.info("warming up %s: %s", tenant.slug, error)
        return True
