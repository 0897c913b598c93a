"""The most used tenants are built before the first visitor asks: a deploy is no thundering herd.

Each worker writes down now and then who was asked for how often. Its successor reads what all of them
have written and builds the first of that list, one after the other, in a thread of its own.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from tenantry.errors import TenantryError
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.catalog import Catalog
    from tenantry.catalog.directory import Directory
    from tenantry.pool import InstancePool
    from tenantry.tenant import Tenant
    from tenantry.usage import Ledger

log = logging.getLogger(__name__)

MAX_LISTED = 1000
"""Tenants in a worker's list."""

KEPT = 0.5
"""What the requests of the last generation of workers still count in the next one."""


class Popularity:
    """Who is asked for how often, kept from one generation of workers to the next.

    :param folder: Where the workers' lists are.
    :param worker: This worker's number; a successor with the same number replaces the list.
    """

    def __init__(self, folder: Path, worker: int, ledger: Ledger) -> None:
        self._folder = folder
        self._file = folder / f"{worker}.json"
        self._ledger = ledger
        self._before: Counter[str] = Counter()
        """What the last generation left, for all workers together."""
        self._workers = 1

    def load(self) -> list[str]:
        """Read all workers' lists; return the tenants' ids, the most used one first."""
        lists = [_read(file) for file in sorted(self._folder.glob("*.json"))]
        self._workers = max(1, len(lists))
        for one in lists:
            self._before.update(one)
        return [tenant_id for tenant_id, _ in self._before.most_common()]

    def save(self) -> None:
        """Write this worker's list; a reader sees the old one or the new one, nothing between."""
        counts: Counter[str] = Counter()
        for tenant_id, requests in self._before.items():
            counts[tenant_id] = int(requests * KEPT / self._workers)
        for tenant_id, usage in self._ledger.top("requests", MAX_LISTED):
            counts[tenant_id] += usage.requests
        listed = [pair for pair in counts.most_common(MAX_LISTED) if pair[1]]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._file.with_suffix(f".{os.getpid()}.draft")
        draft.write_text(json.dumps(dict(listed)))
        draft.replace(self._file)


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
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread. Call it in the process that serves."""
        thread = threading.Thread(target=self._run, name="warm-up", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Begin no further build."""
        self._stopping.set()

    def _run(self) -> None:
        built = 0
        for tenant_id in self._popularity.load():
            if built >= self._most or self._stopping.is_set():
                break
            try:
                built += self._warm(tenant_id)
            except TenantryError as error:
                log.warning("warming up %s: %s", tenant_id, error)
        log.info("warmed up %d instances", built)

    def _warm(self, tenant_id: str) -> bool:
        found = self._catalog.find_tenant_by_id(tenant_id)
        # Asked by its name, so that the directory knows it when the first visitor comes.
        tenant = self._directory.find_by_slug(found.slug) if found is not None else None
        if tenant is None or tenant.state is not TenantState.ACTIVE or not self._pool.warm(tenant):
            return False
        try:
            with self._pool.acquire(tenant) as lease:
                self._probe(lease.instance, tenant)
        except Exception as error:  # noqa: BLE001 - visitors will see it, in the app's own words
            log.info("warming up %s: %s", tenant.slug, error)
        return True


def _read(file: Path) -> dict[str, int]:
    """Return a list; what cannot be read was never written."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, int)}
