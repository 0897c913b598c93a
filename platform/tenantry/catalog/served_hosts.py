"""Every custom host that is served, in a worker's memory: the change feed keeps it up to date.

The directory remembers only hosts that visitors ask for. A proxy that asks whether a host may get a
certificate needs an answer about each of them, also while the catalog is down (law 8). A hundred
thousand hosts take some 40 MiB.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from tenantry.errors import CatalogUnavailableError

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.catalog.directory import Directory
    from tenantry.catalog.values import Changes

log = logging.getLogger(__name__)


class ServedHosts:
    """The set of hosts that are served for tenants which are not deleted.

    :param directory: Follows the catalog's changes, and tells of each.
    """

    def __init__(self, catalog: Catalog, directory: Directory) -> None:
        self._catalog = catalog
        self._directory = directory
        self._names: set[str] = set()
        self._names_of: dict[str, tuple[str, ...]] = {}
        self._epoch = -1
        self._is_stale = True
        self._lock = threading.Lock()  # owns all of these; readers look at one set, without it
        directory.subscribe_changes(self._follow)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, host: str) -> bool:
        self._directory.follow()
        return host in self._names

    @property
    def is_loaded(self) -> bool:
        """Whether they have been read once. From then on they are known, come what may."""
        return self._epoch >= 0

    def refresh(self) -> None:
        """Read them all, if that has to be done. If the catalog is down, the old ones stay."""
        if not self._is_stale:
            return
        with self._lock:
            self._is_stale = False
            try:
                epoch, served = self._catalog.hosts.read_served()
            except CatalogUnavailableError as error:
                self._is_stale = True
                log.warning("cannot read the custom hosts: %s", error)
                return
            self._names_of = dict(served)
            self._names = {name for names in served.values() for name in names}
            self._epoch = epoch

    def _follow(self, changes: Changes) -> None:
        if not changes.complete:
            # A worker's first look at the feed tells of no single change, either.
            self._is_stale |= changes.epoch != self._epoch
            return
        with self._lock:
            for tenant_id in changes.revisions:
                for name in self._names_of.pop(tenant_id, ()):
                    self._names.discard(name)
            for tenant_id in changes.revisions:
                names = () if tenant_id in changes.deleted else changes.hosts.get(tenant_id, ())
                if names:
                    self._names_of[tenant_id] = names
                    self._names.update(names)
