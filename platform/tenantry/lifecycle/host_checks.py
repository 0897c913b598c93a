"""Checks custom hosts whose time has come: what the job ``platform.check_hosts`` does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM
from tenantry.errors import HostNotFoundError, TenantNotFoundError
from tenantry.lifecycle.custom_hosts import look_up
from tenantry.lifecycle.host_news import HostEvent, find_news

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog, Host
    from tenantry.lifecycle.host_news import HostNews
    from tenantry.settings import Settings

BATCH = 40
AT_ONCE = 8
"""Hosts that are checked at the same time: a check mostly waits for resolvers."""


class HostChecker:
    """Checks due hosts. However many do so at once, each host is checked by one of them.

    :param tell: Tells people what has become of a host. If a warning raises, it is given again with
        the next check.
    """

    def __init__(
        self, catalog: Catalog, *, settings: Settings, tell: Callable[[HostNews], object]
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._tell = tell

    def check_due(self, advance: Callable[[int], object] = int) -> int:
        """Check what is due now, and return how many hosts that was.

        :param advance: Called now and then with how many it is so far; it may end the checks.
        """
        checked = 0
        while hosts := self._catalog.host_checks.claim_due(limit=BATCH):
            with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="host-check") as threads:
                checked += sum(threads.map(self._check, hosts))
            advance(checked)
        return checked

    def _check(self, host: Host) -> bool:
        try:
            found = look_up(self._catalog, host, settings=self._settings, by=SYSTEM)
            if (news := find_news(host, found)) is not None:
                self._tell(news)
                if news.event is HostEvent.WARNING:
                    self._catalog.host_checks.note_warning(found.tenant_id, found.name)
        except (HostNotFoundError, TenantNotFoundError):
            return False  # it was removed meanwhile
        return True
