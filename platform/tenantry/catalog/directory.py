"""The directory: a bounded cache from hosts to tenants, which the change feed invalidates."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from tenantry.catalog.values import FormerName
from tenantry.errors import (
    BadSlugError,
    CatalogUnavailableError,
    LookupLimitError,
    TenantRenamedError,
)
from tenantry.limits import TokenBucket
from tenantry.values.slugs import check_slug

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tenantry.catalog import Catalog
    from tenantry.catalog.values import Changes
    from tenantry.values.tenant import Tenant

    Listener = Callable[[Mapping[str, int] | None], None]

T = TypeVar("T")

log = logging.getLogger(__name__)

PAUSE_AFTER_FAILURE = 1.0
"""Seconds without asking a catalog that did not answer; stale beats dead."""


class Directory:
    """Finds tenants by host. A known host costs two dictionary look-ups and no lock.

    Known, unknown and former hosts are remembered apart, so that random ones can never push a tenant
    out. Before each answer the node's shared counter is compared: a request that comes after
    a change's commit gets the new state.

    :param domain: The platform's own domain; ``<slug>.<domain>`` is the tenant with that slug.
    :param known: Hosts of tenants kept in memory, at most.
    :param unknown: Hosts that nobody has, kept in memory, at most; and as many that a tenant had.
    :param lookups: Questions to the catalog per second, at most.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        domain: str,
        known: int = 50_000,
        unknown: int = 10_000,
        lookups: int = 500,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._domain = domain
        self._max_known = known
        self._max_unknown = unknown
        self._clock = clock
        self._bucket = TokenBucket(lookups, burst=2 * lookups, clock=clock)
        self._cell = catalog.store.signal.cell
        self._seen = -1
        self._epoch = -1
        self._deaf_until = 0.0
        self._silent_until = 0.0
        self._known: OrderedDict[str, Tenant] = OrderedDict()
        self._unknown: OrderedDict[str, None] = OrderedDict()
        self._former: OrderedDict[str, FormerName] = OrderedDict()
        self._hosts_of: dict[str, set[str]] = {}
        self._lock = threading.Lock()  # owns the four maps and the epoch
        self._catching_up = threading.Lock()
        self._listeners: list[Listener] = []
        self._listeners_gone: list[Callable[[Collection[str]], None]] = []
        self._listeners_of_all: list[Callable[[Changes], None]] = []
        self.is_reachable = True
        """Whether the catalog answered when it was last asked for changes."""

    def __repr__(self) -> str:
        return (
            f"<Directory: {len(self._known)} known, {len(self._unknown)} unknown, "
            f"epoch {self._epoch}>"
        )

    @property
    def epoch(self) -> int:
        """The newest change that it has seen; -1 before the first one."""
        return self._epoch

    def subscribe(self, listener: Listener) -> None:
        """Call *listener* with the ids and new revisions of changed tenants; ``None`` means all."""
        self._listeners.append(listener)

    def subscribe_gone(self, listener: Callable[[Collection[str]], None]) -> None:
        """Call *listener* with the ids of tenants that are no more."""
        self._listeners_gone.append(listener)

    def subscribe_changes(self, listener: Callable[[Changes], None]) -> None:
        """Call *listener* with everything that is known of what has changed."""
        self._listeners_of_all.append(listener)

    def follow(self) -> None:
        """See the changes that were committed up to now; nearly always there are none."""
        if self._cell[0] != self._seen:
            self.catch_up()

    def find(self, host: str) -> Tenant | None:
        """Return the tenant that answers on this canonical host, in whatever state it is.

        :raises TenantRenamedError: The host was a tenant's until it got another slug.
        :raises LookupLimitError: The host is not in memory and too many such were asked for.
        :raises CatalogUnavailableError: The host is not in memory and the catalog does not answer.
        """
        if self._cell[0] != self._seen:
            self.catch_up()
        try:
            tenant = self._known[host]
            self._known.move_to_end(host)
        except KeyError:
            return self._look_up(host)
        return tenant

    def find_by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant with this slug, remembered like its host."""
        # A path's segment may be anything; with a dot it would be asked for as somebody's own host.
        return self.find(f"{slug}.{self._domain}") if "." not in slug else None

    def catch_up(self, *, anyway: bool = False) -> None:
        """Forget what has changed since the last time; everything, if too much has.

        :param anyway: Also if the counter has not moved.
        """
        with self._catching_up:
            number = self._cell[0]
            if not anyway and (number == self._seen or self._clock() < self._deaf_until):
                return  # another thread has just done it, or found the catalog down
            try:
                changes = self._catalog.changes.read_since(self._epoch)
            except CatalogUnavailableError as error:
                self._deaf_until = self._silent_until = self._clock() + PAUSE_AFTER_FAILURE
                self.is_reachable = False
                log.warning("serving from memory: %s", error)
                return
            self.is_reachable = True
            self._forget(changes)
            self._seen = number
        _tell(self._listeners_of_all, changes)
        _tell(self._listeners, changes.revisions if changes.complete else None)
        if changes.gone:
            _tell(self._listeners_gone, changes.gone)

    def poll(self) -> None:
        """Ask the catalog for its epoch, and catch up if it is another one than ours.

        Heals what the counter missed: changes made on other nodes, and those of a writer that died
        between its commit and its note. The counter is left alone: set to an epoch that a writer has
        just passed, it would look unchanged to a worker that had seen that epoch before.
        """
        try:
            epoch = self._catalog.changes.read_epoch()
        except CatalogUnavailableError as error:
            self.is_reachable = False
            log.warning("cannot poll for changes: %s", error)
            return
        self.is_reachable = True
        if epoch != self._epoch:
            self.catch_up(anyway=True)

    def _look_up(self, host: str) -> Tenant | None:
        slug, _, rest = host.partition(".")
        ours = rest == self._domain
        if host in self._unknown or (ours and not _is_slug(slug)):
            return None
        if (former := self._former.get(host)) is not None:
            raise _renamed(former)
        if self._clock() < self._silent_until:
            raise CatalogUnavailableError("it did not answer a moment ago")
        if not self._bucket.take():
            raise LookupLimitError
        epoch = self._epoch
        try:
            catalog = self._catalog
            found = catalog.names.find(slug) if ours else catalog.tenants.find_by_host(host)
        except CatalogUnavailableError:
            # Each further try could take a thread for seconds, and known tenants need the threads.
            self._silent_until = self._clock() + PAUSE_AFTER_FAILURE
            raise
        self._remember(host, found, epoch)
        if isinstance(found, FormerName):
            raise _renamed(found)
        return found

    def _remember(self, host: str, found: Tenant | FormerName | None, epoch: int) -> None:
        with self._lock:
            if epoch != self._epoch:
                return  # a change came in between: this answer may be older than it
            if found is None:
                self._unknown[host] = None
                if len(self._unknown) > self._max_unknown:
                    self._unknown.popitem(last=False)
            elif isinstance(found, FormerName):
                self._former[host] = found
                self._hosts_of.setdefault(found.tenant_id, set()).add(host)
                if len(self._former) > self._max_unknown:
                    evicted, gone = self._former.popitem(last=False)
                    self._drop_host(gone.tenant_id, evicted)
            else:
                self._known[host] = found
                self._hosts_of.setdefault(found.id, set()).add(host)
                if len(self._known) > self._max_known:
                    evicted, other = self._known.popitem(last=False)
                    self._drop_host(other.id, evicted)

    def _drop_host(self, tenant_id: str, host: str) -> None:
        hosts = self._hosts_of[tenant_id]
        hosts.discard(host)
        if not hosts:
            del self._hosts_of[tenant_id]

    def _forget(self, changes: Changes) -> None:
        with self._lock:
            self._epoch = changes.epoch
            if not changes.complete:
                self._known.clear()
                self._unknown.clear()
                self._former.clear()
                self._hosts_of.clear()
                return
            for tenant_id in changes.revisions:
                for host in self._hosts_of.pop(tenant_id, ()):
                    self._known.pop(host, None)
                    self._former.pop(host, None)
                for host in changes.hosts.get(tenant_id, ()):
                    self._unknown.pop(host, None)
            for slug in changes.slugs.values():
                self._unknown.pop(f"{slug}.{self._domain}", None)


def _tell(listeners: Sequence[Callable[[T], None]], news: T) -> None:
    for listener in listeners:
        try:
            listener(news)
        except Exception:
            log.exception("a listener failed on the changes of %s", news)


def _renamed(former: FormerName) -> TenantRenamedError:
    # Asked now, not remembered: a name stops leading on without any change in the catalog.
    return TenantRenamedError(former.slug, former.now, redirects=former.redirects)


def _is_slug(text: str) -> bool:
    try:
        check_slug(text)
    except BadSlugError:
        return False
    return True
