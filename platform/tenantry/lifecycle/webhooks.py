"""Webhooks of the platform and of sites: add one, renew its secret, deliver a message."""

from __future__ import annotations

import logging
import time
import uuid
from typing import TYPE_CHECKING

from tenantry.catalog import SYSTEM
from tenantry.catalog.models import now
from tenantry.catalog.webhooks import FAILING
from tenantry.errors import BadEmailError, WebhookFailedError
from tenantry.jobs import JobDefinitions, JobQueue, JobRefused
from tenantry.mail import Outbox, mail_jobs
from tenantry.security.keys import keys_of
from tenantry.security.sealing import seal, unseal
from tenantry.security.webhook_signing import new_webhook_secret, sign_headers
from tenantry.webhooks import Outside, check_webhook_url, send

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from tenantry.catalog import Webhook
    from tenantry.jobs import JobRun
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings

log = logging.getLogger(__name__)

PURPOSE = "webhook"
GONE = 410
MOST_OPERATORS = 100
"""Operators who are told; the others find it on the overview."""


def add_webhook(
    operations: Operations, url: str, *, events: Iterable[str], tenant_id: str | None
) -> tuple[Webhook, str]:
    """Add a webhook; return it with its secret.

    :param tenant_id: The one site that it is about; ``None`` for all sites.
    :raises BadWebhookError: The URL cannot be called.
    :raises WebhookLimitError: There are too many already.
    """
    checked = check_webhook_url(url, outside_of(operations.settings, tenant_id))
    webhook_id, secret = uuid.uuid4().hex, new_webhook_secret()
    made = operations.catalog.webhooks.create(
        webhook_id,
        checked,
        events=events,
        sealed_secret=_seal(operations, webhook_id, secret),
        tenant_id=tenant_id,
        by=operations.actor,
    )
    return made, secret


def change_webhook(
    operations: Operations,
    webhook: Webhook,
    *,
    url: str | None = None,
    events: Iterable[str] | None = None,
    is_on: bool | None = None,
) -> Webhook:
    """Change a webhook; what is left out stays.

    :raises BadWebhookError: The URL cannot be called.
    :raises WebhookNotFoundError: It is gone.
    """
    if url is not None:
        url = check_webhook_url(url, outside_of(operations.settings, webhook.tenant_id))
    return operations.catalog.webhooks.change(
        webhook.id, url=url, events=events, is_on=is_on, by=operations.actor
    )


def renew_webhook_secret(operations: Operations, webhook: Webhook) -> str:
    """Give a webhook another secret and return it; the next message is signed with it.

    :raises WebhookNotFoundError: It is gone.
    """
    secret = new_webhook_secret()
    sealed = _seal(operations, webhook.id, secret)
    operations.catalog.webhooks.replace_secret(webhook.id, sealed, by=operations.actor)
    return secret


def open_webhook_secret(settings: Settings, webhook: Webhook) -> str | None:
    """Return a webhook's secret; ``None`` if no key in ``TENANTRY_SECRET_KEYS`` opens it."""
    return unseal(keys_of(settings.secret_keys), PURPOSE, webhook.id, webhook.sealed_secret)


def _seal(operations: Operations, webhook_id: str, secret: str) -> str:
    return seal(keys_of(operations.settings.secret_keys), PURPOSE, webhook_id, secret)


def outside_of(settings: Settings, tenant_id: str | None) -> Outside:
    """Return what a webhook of this site may call, or one of the platform's own."""
    return Outside(
        networks=settings.webhook_networks if tenant_id is None else (),
        own_hosts=settings.own_hosts,
        own_addresses=settings.domain_targets.addresses,
    )


def deliver(
    operations: Operations,
    run: JobRun,
    *,
    delivery: str,
    trusted: ssl.SSLContext | None = None,
) -> dict[str, int]:
    """Send a message; one that is not accepted is tried again by the job's next attempt.

    :raises WebhookFailedError: It was not accepted.
    """
    webhooks = operations.catalog.webhooks
    if (found := webhooks.find_delivery(delivery)) is None:
        return {}  # removed meanwhile
    webhook, message = found
    if not webhook.is_on:
        webhooks.note_refused(delivery, None, "The webhook is off.", is_last=True)
        return {}  # no failure of a job: operators need not look at what owners turn off
    if run.tenant is not None and run.tenant.quiet:  # a test, say; it waits for the site's release
        raise WebhookFailedError("the site is quiet")
    if webhook.rests_until is not None and webhook.rests_until > now() and not _is_last(run):
        raise WebhookFailedError("another message was not, a moment ago")
    secret = open_webhook_secret(operations.settings, webhook)
    if secret is None:
        problem = "TENANTRY_SECRET_KEYS does not have the key any more that sealed the secret"
        webhooks.note_refused(delivery, None, problem, is_last=True)
        raise JobRefused(problem)
    body = message.body.encode()
    headers = sign_headers(secret, message.id, int(time.time()), body)
    outside = outside_of(operations.settings, webhook.tenant_id)
    status, problem = None, ""
    try:
        status = send(webhook.url, body, headers, outside=outside, trusted=trusted)
    except WebhookFailedError as error:
        problem = error.problem
    if status is not None and 200 <= status < 300:  # noqa: PLR2004 - what means success
        webhooks.note_accepted(delivery, status)
        return {"status": status}
    problem = problem or f"the answer was {status}"
    webhooks.note_refused(delivery, status, problem, is_last=_is_last(run))
    _give_up(operations, webhook, status, problem)
    raise WebhookFailedError(problem)


def _is_last(run: JobRun) -> bool:
    return run.job.attempts - run.job.losses >= run.job.max_attempts


def _give_up(operations: Operations, webhook: Webhook, status: int | None, problem: str) -> None:
    """Turn a webhook off that says it is gone, or has accepted nothing for days; tell its people."""
    is_over = webhook.failing_since is not None and webhook.failing_since < now() - FAILING
    if status != GONE and not is_over:
        return
    why = "its receiver says that it is gone" if status == GONE else f"for days, {problem}"
    off = operations.catalog.webhooks.turn_off(webhook.id, f"Turned off: {why}.", by=SYSTEM)
    if off is not None:
        _tell(operations, off)


def _tell(operations: Operations, webhook: Webhook) -> None:
    """Mail the site's owners that a webhook is off; of one of the platform's, the operators."""
    catalog, settings = operations.catalog, operations.settings
    if webhook.tenant_id is None:
        readers = [
            it.email for it in catalog.accounts.list(operators=True, size=MOST_OPERATORS).items
        ]
        site, page = "all sites", f"{settings.backend_url}webhooks"
    else:
        tenant = catalog.tenants.get_by_id(webhook.tenant_id)
        readers, site = list(tenant.owners), tenant.name
        page = settings.url_of(settings.host_of(tenant)) + "/backend/site-webhooks"
    queue = JobQueue(catalog.jobs, JobDefinitions(mail_jobs(catalog, settings)))
    outbox = Outbox(catalog, queue, settings)
    values = {"url": webhook.url, "site": site, "problem": webhook.problem, "page": page}
    for reader in readers:
        try:
            outbox.send("webhook_off", reader, values, by_visitor=False, by=SYSTEM)
        except BadEmailError as error:
            log.warning("%s gets no mail about webhook %s: %s", reader, webhook.id, error)
