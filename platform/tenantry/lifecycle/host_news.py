"""Tells people what has become of a tenant's domain: it will be lost, it is lost, it is back."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM, HostState
from tenantry.catalog.host_checks import needs_warning
from tenantry.errors import BadEmailError
from tenantry.jobs import JobDefinitions, JobQueue
from tenantry.mail import Outbox, mail_jobs
from tenantry.values.hosts import shown_host

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tenantry.catalog import Catalog, Host
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

MOST_OPERATORS = 100
"""Operators who are told; the others find it in the audit trail."""


class HostEvent(StrEnum):
    """What people are told; also the end of the mail template's name."""

    WARNING = "warning"
    LOST = "lost"
    BACK = "back"


_LOGGED = {
    HostEvent.WARNING: "will no longer be served, unless its DNS records are set right",
    HostEvent.LOST: "is no longer served: its DNS records are wrong",
    HostEvent.BACK: "has the right DNS records again",
}


@dataclass(frozen=True, slots=True)
class HostNews:
    """What a check has changed for a host, and since when its records were wrong."""

    event: HostEvent
    host: Host
    since: datetime | None


def find_news(before: Host, after: Host) -> HostNews | None:
    """Return what people should hear about a host that was just checked."""
    since = after.failing_since or before.failing_since
    if needs_warning(after):
        return HostNews(HostEvent.WARNING, after, since)
    if before.state is HostState.VERIFIED and after.state is HostState.LOST:
        return HostNews(HostEvent.LOST, after, since)
    if after.is_served and after.warned_at is None and before.warned_at is not None:
        return HostNews(HostEvent.BACK, after, since)
    return None


def tell_people(catalog: Catalog, *, settings: Settings) -> Callable[[HostNews], None]:
    """Return what tells a host's owners by mail; of one that is lost or back, the operators, too.

    The log is told everything. The same news is mailed to nobody twice.
    """
    queue = JobQueue(catalog.jobs, JobDefinitions(mail_jobs(catalog, settings)))
    outbox = Outbox(catalog, queue, settings)

    def tell(news: HostNews) -> None:
        host = news.host
        level = logging.INFO if news.event is HostEvent.BACK else logging.WARNING
        what, problem = _LOGGED[news.event], host.problem or "nothing is wrong"
        log.log(
            level, "the domain %s of tenant %s %s: %s", host.name, host.tenant_slug, what, problem
        )
        tenant = catalog.tenants.get_by_id(host.tenant_id)
        values = {"domain": shown_host(host.name), "site": tenant.name, "problem": host.problem}
        for reader, page in _find_readers(catalog, settings, tenant, news.event).items():
            about = f"{host.tenant_id} {host.name} {news.since} {reader}"
            template = f"domain_{news.event}"
            key = f"{template} {hashlib.sha256(about.encode()).hexdigest()}"
            try:
                outbox.send(
                    template, reader, {**values, "page": page}, by_visitor=False, key=key, by=SYSTEM
                )
            except BadEmailError as error:
                log.warning("%s gets no mail about tenant %s: %s", reader, tenant.slug, error)

    return tell


def _find_readers(
    catalog: Catalog, settings: Settings, tenant: Tenant, event: HostEvent
) -> dict[str, str]:
    """Return who is told, and which page each can use."""
    readers = {}
    if event is not HostEvent.WARNING:
        operators = catalog.accounts.list(operators=True, size=MOST_OPERATORS).items
        page = f"{settings.backend_url}tenants/{tenant.slug}"
        readers = {operator.email: page for operator in operators}
    page = settings.url_of(settings.host_of(tenant)) + "/backend/domains"
    return readers | dict.fromkeys(tenant.owners, page)
