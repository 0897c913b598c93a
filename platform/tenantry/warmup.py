"""The most used tenants are built before the first visitor asks: a deploy is no thundering herd.

Each worker writes down now and then who was asked for how often. Its successor reads what all of them
have written and builds the first of that list, one after the other, in a thread of its own.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import defaultdict
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

BEYOND_BELIEF = 1e15
"""Nobody was asked for so often: the list is damaged."""

KEPT = 0.5
"""What the requests of the last generation of workers still count in the next one."""

LEFT_BEHIND = 600.0
"""A list that is so many seconds older than the newest one is of a worker that is no more."""


class Popularity:
    """Who is asked for how often, kept from one generation of workers to the next.

    :param folder: Where the workers' lists are.
    :param worker: This worker's number; a successor with the same number replaces the list.
    """

    def __init__(self, folder: Path, worker: int, ledger: Ledger) -> None:
        self._folder = folder
        self._file = folder / f"{worker}.json"
        self._ledger = ledger
        self._before: dict[str, float] | None = None
        """This worker's part of what the last generation left; ``None`` until it has been read."""

    def load(self) -> list[str]:
        """Read all workers' lists; return the tenants' ids, the most used one first."""
        lists = [_read(file) for file in _living(self._folder)]
        before: dict[str, float] = defaultdict(float)
        for one in lists:
            for tenant_id, requests in one.items():
                before[tenant_id] += requests * KEPT / len(lists)
        self._before = dict(sorted(before.items(), key=lambda pair: pair[1], reverse=True))
        return list(self._before)

    def save(self) -> None:
        """Write this worker's list; a reader sees the old one or the new one, nothing between."""
        if self._before is None:  # what nobody has read yet must not be overwritten
            self.load()
        counts = dict(self._before or {})
        for tenant_id, usage in self._ledger.top("requests", MAX_LISTED):
            counts[tenant_id] = counts.get(tenant_id, 0) + usage.requests
        most = sorted(counts.items(), key=lambda pair: pair[1], reverse=True)[:MAX_LISTED]
        listed = [(tenant_id, round(requests, 3)) for tenant_id, requests in most]
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


def _living(folder: Path) -> list[Path]:
    """Return the lists, without those of workers of which there were more once."""
    files = {file: file.stat().st_mtime for file in sorted(folder.glob("*.json"))}
    newest = max(files.values(), default=0.0)
    return [file for file, written in files.items() if newest - written <= LEFT_BEHIND]


def _read(file: Path) -> dict[str, float]:
    """Return a list; what cannot be read was never written."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        tenant_id: requests
        for tenant_id, requests in found.items()
        if isinstance(requests, int | float) and 0 < requests < BEYOND_BELIEF
    }
