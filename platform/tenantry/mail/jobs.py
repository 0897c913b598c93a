"""The job that sends a mail."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import SMTP
from typing import TYPE_CHECKING, Any

from cryptography.fernet import InvalidToken

from tenantry.catalog.values import MailState
from tenantry.errors import MailRefusedError
from tenantry.jobs import JobDefinition, JobRefused, job
from tenantry.mail.outbox import JOB, envelope_sender, sealer
from tenantry.mail.transports import open_transport

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.jobs import JobRun
    from tenantry.settings import Settings

DEADLINE = 3 * 86_400.0
"""A mail that is older is of no use."""


def mail_jobs(catalog: Catalog, settings: Settings) -> tuple[JobDefinition, ...]:
    """Return the jobs of mail."""

    # Thirty attempts take about a day: so long a mail server may be down.
    @job(JOB, attempts=30, backoff=30, seconds=120, deadline=DEADLINE, place="site")
    def send(run: JobRun, mail_id: str, sealed: str) -> None:
        """Hand a sealed message to the mail server."""
        try:
            content = sealer(settings).decrypt(sealed)
        except InvalidToken as error:
            problem = "TENANTRY_SECRET_KEYS does not have the key any more that sealed it"
            raise JobRefused(problem) from error
        message: Any = message_from_bytes(content, policy=SMTP)
        sender = message["From"].addresses[0].addr_spec
        to = message["To"].addresses[0].addr_spec
        if run.tenant is not None and run.tenant.quiet:
            return  # it became so meanwhile
        try:
            open_transport(settings).send(
                content, sender=envelope_sender(settings, sender, mail_id), to=to
            )
        except MailRefusedError as error:
            catalog.mails.record(mail_id, MailState.BOUNCED, error=str(error))
            raise JobRefused(str(error)) from error
        catalog.mails.record(mail_id, MailState.SENT)

    return (send,)
