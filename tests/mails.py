"""Reads the mails that wait in a catalog's queue."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Any

from tenantry.mail.outbox import JOB, sealer

if TYPE_CHECKING:
    from email.message import EmailMessage

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings


def queued_mails(catalog: Catalog, settings: Settings, to: str | None = None) -> list[EmailMessage]:
    """Return the mails that were sent to an address, or to all, the oldest first."""
    found = []
    for job in reversed(catalog.jobs.list(name=JOB, size=500).items):
        content = sealer(settings).decrypt(job.arguments["sealed"].encode())
        mail: Any = message_from_bytes(content, policy=default)
        if to is None or mail["To"] == to:
            found.append(mail)
    return found


def text_of(mail: EmailMessage) -> str:
    """Return the text of a mail, beside which there is a page."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
