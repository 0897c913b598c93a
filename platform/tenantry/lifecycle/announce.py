"""Mails an announcement to the owners of sites, each address once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tenantry.catalog import TenantFilter
from tenantry.catalog.models import now
from tenantry.errors import BadEmailError
from tenantry.jobs import JobDefinitions, JobQueue, JobRefused
from tenantry.lifecycle.export import WITHOUT_DATA
from tenantry.mail import Outbox, mail_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.catalog import Announcement
    from tenantry.jobs import JobRun
    from tenantry.lifecycle.operations import Operations

CHECK_EVERY = 100
"""Mails between two looks at whether the announcement is withdrawn."""


def mail_announcement(operations: Operations, run: JobRun, *, announcement: int) -> dict[str, int]:
    """Queue a mail for each owner, unless the announcement is over or withdrawn meanwhile.

    An owner who has one from an earlier attempt gets no second one.
    """
    catalog, settings = operations.catalog, operations.settings
    found = catalog.announcements.find(announcement)
    if found is None:
        raise JobRefused(f"there is no announcement {announcement}")
    queue = JobQueue(catalog.jobs, JobDefinitions(mail_jobs(catalog, settings)))
    outbox = Outbox(catalog, queue, settings)
    values = {"subject": found.subject, "text": found.text, "page": settings.own_sites_url}
    told: set[str] = set()
    refused = 0
    for address in _list_owners(operations, found):
        if address in told:
            continue
        if len(told) % CHECK_EVERY == 0 and _is_over(operations, announcement):
            raise JobRefused(f"the announcement is over; {len(told)} owners were told")
        told.add(address)
        digest = hashlib.sha256(address.encode()).hexdigest()
        key = f"announcement {found.id} {digest}"
        try:
            outbox.send("announcement", address, values, by_visitor=False, key=key, by=run.by)
        except BadEmailError as error:
            refused += 1
            run.log(str(error))
        run.progress(len(told))
    return {"mails": len(told) - refused, "refused": refused}


def _is_over(operations: Operations, announcement: int) -> bool:
    found = operations.catalog.announcements.find(announcement)
    return found is None or found.ends_at <= now()


def _list_owners(operations: Operations, announcement: Announcement) -> Iterator[str]:
    for row in operations.catalog.listings.each_tenant(TenantFilter(plan=announcement.plan)):
        if row.tenant.state not in WITHOUT_DATA:
            yield from row.owners
