"""Checks custom hosts whose time has come, once for the whole platform however many workers run."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM
from tenantry.catalog.host_checks import needs_warning
from tenantry.errors import BadEmailError, HostNotFoundError, TenantNotFoundError
from tenantry.jobs import JobDefinitions, JobQueue
from tenantry.lifecycle.custom_hosts import look_up
from tenantry.mail import Outbox, mail_jobs
from tenantry.resources.background_thread import BackgroundThread
from tenantry.values.hosts import shown_host

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog, Host
    from tenantry.settings import Settings

    Warn = Callable[[Host], object]

log = logging.getLogger(__name__)

INTERVAL = 15.0
"""Seconds between two looks at what is due."""

BATCH = 40
AT_ONCE = 8
"""Hosts that a worker checks at the same time: a check mostly waits for resolvers."""


class HostChecker:
    """A thread of the worker that checks due hosts. Each host is checked by one worker.

    :param warn: Tells the owners of a host that it will be lost. It is called again with the next
        check if it raises.
    """

    def __init__(self, catalog: Catalog, *, settings: Settings, warn: Warn) -> None:
        self._catalog = catalog
        self._settings = settings
        self._warn = warn
        self._thread = BackgroundThread("host-checks", self._run)
        self.start = self._thread.start
        self.stop = self._thread.stop

    def check_due(self) -> int:
        """Check what is due now, and return how many hosts that was."""
        checked = 0
        while hosts := self._catalog.host_checks.claim_due(limit=BATCH):
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="host-check") as threads:
                checked += sum(threads.map(self._check, hosts))
            if self._thread.stopping.is_set():
                break
        return checked

    def _run(self) -> None:
        self._thread.repeat(INTERVAL, self.check_due)

    def _check(self, host: Host) -> bool:
        try:
            found = look_up(self._catalog, host, settings=self._settings, by=SYSTEM)
            if needs_warning(found):
                self._warn(found)
                self._catalog.host_checks.note_warning(found.tenant_id, found.name)
        except (HostNotFoundError, TenantNotFoundError):
            return False  # it was removed meanwhile
        return True


def warn_owners(catalog: Catalog, *, settings: Settings) -> Warn:
    """Return what tells the owners of a host by mail that it will be lost. The log is told, too."""
    queue = JobQueue(catalog.jobs, JobDefinitions(mail_jobs(catalog, settings)))
    outbox = Outbox(catalog, queue, settings)

    def warn(host: Host) -> None:
        log.warning(
            "the domain %s of tenant %s will no longer be served, unless its DNS records are set "
            "right: %s",
            host.name,
            host.tenant_slug,
            host.problem,
        )
        tenant = catalog.tenants.get_by_id(host.tenant_id)
        values = {
            "domain": shown_host(host.name),
            "site": tenant.name,
            "problem": host.problem,
            "page": settings.url_of(settings.host_of(tenant)) + "/backend/domains",
        }
        for owner in tenant.owners:
            about = f"{host.tenant_id} {host.name} {host.failing_since} {owner}"
            key = f"domain_warning {hashlib.sha256(about.encode()).hexdigest()}"
            try:
                outbox.send("domain_warning", owner, values, by_visitor=False, key=key, by=SYSTEM)
            except BadEmailError as error:
                log.warning("an owner of tenant %s gets no mail: %s", tenant.slug, error)

    return warn
