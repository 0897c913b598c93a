"""Puts a rendered mail into the queue: sender, limits, and a sealed message."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, MultiFernet

from tenantry.catalog.accounts import canonical_email
from tenantry.catalog.models import now
from tenantry.errors import BadEmailError
from tenantry.mail.rendering import MailLook, name_platform, render_mail
from tenantry.security.keys import PLATFORM, keys_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from tenantry.catalog import Actor, Catalog, Job, NewJob
    from tenantry.jobs import JobQueue
    from tenantry.mail.rendering import Rendered
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

JOB = "mail.send"
ID_HEADER = "X-Tenantry-Mail"
POLICY = SMTP.clone(cte_type="7bit")
"""Not every server takes eight bits."""


class Outbox:
    """Sends mail by way of jobs. Nothing is sent before a job worker does so.

    :param queue: It knows the job ``mail.send``.
    """

    def __init__(self, catalog: Catalog, queue: JobQueue, settings: Settings) -> None:
        self._catalog = catalog
        self._queue = queue
        self._settings = settings

    def send(
        self,
        template: str,
        to: str,
        values: Mapping[str, Any],
        *,
        tenant: Tenant | None = None,
        by_visitor: bool = True,
        key: str | None = None,
        language: str = "",
        reply_to: str = "",
        render: Callable[[Sequence[str], Mapping[str, Any]], str] | None = None,
        by: Actor,
    ) -> Job | None:
        """Render a mail and queue it.

        :param to: One address.
        :param tenant: Whose site sends it; ``None`` for the platform itself.
        :param by_visitor: Whether a visitor can cause it, so that it counts against the limit of mails
            to one address. Only mail about what an account has just done is not.
        :param key: A second mail of the tenant with this key is not sent.
        :param language: The reader's; by default the site's.
        :param reply_to: Where answers go; by default the site's address for that.
        :param render: See :func:`~tenantry.mail.rendering.render_mail`.
        :return: The job; ``None`` if the mail is dropped: the tenant is quiet, or the address has had
            enough mail or does not take it.
        :raises BadEmailError: *to* is not an address.
        :raises BadMailError: The template is missing or wrong.
        """
        address, settings = deliverable(to), self._settings
        front_page = self._catalog.front_pages.get()
        look = MailLook.of(tenant, settings, front_page, language)
        content = render_mail(template, values, look=look, render=render)
        if tenant is not None and tenant.quiet:
            log.info("mail %s of %s is dropped: the site is quiet", template, tenant.slug)
            return None

        def prepare(mail_id: str, due_at: datetime) -> NewJob:
            message = compose(
                content,
                address,
                mail_id,
                settings=settings,
                tenant=tenant,
                platform_name=name_platform(settings, front_page),
                reply_to=reply_to,
            )
            arguments = {"mail_id": mail_id, "sealed": sealer(settings).encrypt(message).decode()}
            owner = None if tenant is None else tenant.id
            return self._queue.prepare(JOB, arguments, tenant_id=owner, key=key, due_at=due_at)

        job = self._catalog.mails.add(
            prepare,
            template=template,
            tenant_id=None if tenant is None else tenant.id,
            address_hash=hash_address(address, settings),
            key=key,
            per_address=settings.mail_address_hourly if by_visitor else None,
            per_tenant=settings.mail_tenant_hourly,
            by=by,
        )
        if job is None:
            log.warning("mail %s is dropped: its address has had enough mail", template)
        return job


def compose(
    content: Rendered,
    to: str,
    mail_id: str,
    *,
    settings: Settings,
    tenant: Tenant | None,
    platform_name: str,
    reply_to: str = "",
) -> bytes:
    """Return the message as a mail server takes it."""
    own = tenant.settings if tenant is not None else {}
    message = EmailMessage(policy=POLICY)
    message["Subject"] = content.subject
    sender = sender_address(settings, tenant)
    name = str(own.get("mail_name") or (tenant.name if tenant is not None else platform_name))
    message["From"] = Address(" ".join(name.split()), addr_spec=sender)
    message["To"] = Address(addr_spec=to)
    if answers := reply_to or str(own.get("mail_reply_to") or settings.mail_reply_to):
        message["Reply-To"] = Address(addr_spec=deliverable(answers))
    message["Date"] = format_datetime(now())
    message["Message-ID"] = make_msgid(mail_id, domain=sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"  # no out-of-office replies, please (RFC 3834)
    message[ID_HEADER] = mail_id
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    return message.as_bytes()


def deliverable(address: str) -> str:
    """Return the address as every mail server takes it: its domain in ASCII (IDNA).

    :raises BadEmailError: It is no address, or has letters before the @ that few servers take.
    """
    local, _, domain = canonical_email(address).rpartition("@")
    if not local.isascii():
        raise BadEmailError(address, "only ASCII can stand before the @.")
    return f"{local}@{domain.encode('idna').decode() if not domain.isascii() else domain}"


def sender_address(settings: Settings, tenant: Tenant | None = None) -> str:
    """Return the address from which a tenant's mail comes, or the platform's."""
    pattern = settings.mail_from or f"no-reply@{settings.domain}"
    return pattern.replace("{slug}", "no-reply" if tenant is None else tenant.slug)


def envelope_sender(settings: Settings, sender: str, mail_id: str) -> str:
    """Return the address to which a mail server returns a mail, which names the mail."""
    if not settings.mail_bounce_to:
        return sender
    local, _, domain = settings.mail_bounce_to.rpartition("@")
    return f"{local}+{mail_id}@{domain}"


def hash_address(address: str, settings: Settings) -> str:
    """Return what counts an address without telling it.

    Mail to ``ada+anything@x.test`` arrives in one box, so it counts as one address.
    """
    local, _, domain = address.rpartition("@")
    name = f"{local.partition('+')[0] or local}@{domain}"
    key = keys_of(settings.secret_keys).derive(PLATFORM, "mail-address")[0]
    return hmac.new(key, name.encode(), hashlib.sha256).hexdigest()


def sealer(settings: Settings) -> MultiFernet:
    """Return what seals messages in the catalog: they hold links that sign in."""
    keys = keys_of(settings.secret_keys).derive(PLATFORM, "mail")
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
