"""Webhooks from an operation to a real receiver: signed, tried again, turned off after days."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from tenantry.catalog import DeliveryState, JobState, WebhookDelivery
from tenantry.catalog.models import JobRecord, TenantRecord, WebhookRecord, now
from tenantry.errors import BadWebhookError
from tenantry.jobs import JobDefinitions, JobWorker
from tenantry.lifecycle.jobs import operation_jobs
from tenantry.lifecycle.webhooks import (
    add_webhook,
    change_webhook,
    open_webhook_secret,
    renew_webhook_secret,
)
from tenantry.mail import mail_jobs
from tests.receiver import receiving
from tests.tenantry.lifecycle import ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.catalog import Catalog
    from tenantry.lifecycle import Operations
    from tenantry.settings import Settings
    from tests.receiver import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver on loopback."""
    with receiving() as found:
        yield found


@pytest.fixture
def operations(catalog: Catalog, make_settings: Callable[..., Settings]) -> Operations:
    """Return the operations of a platform with a site, which may call loopback."""
    settings = make_settings(webhook_networks="127.0.0.0/8", mail_url="console://")
    made = ledger.operations(catalog, settings)
    made.create("acme", name="Acme", owner_email="ada@x.test")
    return made


def work(operations: Operations) -> None:
    """Do what is due, as a worker does, and what waits for its next attempt."""
    with operations.catalog.store.updating() as connection:
        connection.execute(update(JobRecord).values(due_at=now()))
        connection.execute(update(WebhookRecord).values(rests_until=None))
    jobs = operation_jobs(operations.catalog, operations.settings, operations.factory)
    JobWorker(operations.catalog, lambda: JobDefinitions(jobs)).run(until_empty=True)


def newest(operations: Operations, webhook_id: str) -> WebhookDelivery:
    """Return the newest message of a webhook."""
    return operations.catalog.webhooks.list_deliveries(webhook_id)[0]


def test_an_operation_is_told_and_signed(operations: Operations, receiver: Receiver) -> None:
    """A receiver that knows the secret can check id, time and body; the id is the message's."""
    hook, secret = add_webhook(operations, receiver.url, events=(), tenant_id=None)
    operations.rename("acme", "apex-1")
    work(operations)
    ((_, headers, body),) = receiver.taken
    message = newest(operations, hook.id)
    assert message.state is DeliveryState.ACCEPTED
    assert message.status == 204
    assert body == message.body.encode()
    assert json.loads(body)["type"] == "tenant.renamed"
    assert headers["webhook-id"] == message.id
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    signed = f"{message.id}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{signature}"
    assert secret not in str(operations.catalog.audit.list().items)
    assert secret not in hook.sealed_secret


def test_what_is_not_accepted_is_tried_again(operations: Operations, receiver: Receiver) -> None:
    """With the same id and body; while the webhook rests, nothing is sent."""
    hook, _ = add_webhook(operations, receiver.url, events=(), tenant_id=None)
    receiver.status = 500
    operations.catalog.webhooks.send_test(hook.id, by=operations.actor)
    work(operations)
    failing = newest(operations, hook.id)
    assert (failing.state, failing.problem) == (DeliveryState.WAITING, "the answer was 500")
    (job,) = operations.catalog.jobs.list(name="webhooks.deliver").items
    assert job.state is JobState.QUEUED
    assert timedelta(seconds=20) < job.due_at - now() < timedelta(seconds=40)
    with operations.catalog.store.updating() as connection:
        connection.execute(update(JobRecord).values(due_at=now()))
    jobs = operation_jobs(operations.catalog, operations.settings, operations.factory)
    JobWorker(operations.catalog, lambda: JobDefinitions(jobs)).run(until_empty=True)
    assert len(receiver.taken) == 1  # it rests

    receiver.status = 200
    work(operations)
    assert newest(operations, hook.id).state is DeliveryState.ACCEPTED
    first, second = receiver.taken
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert first[2] == second[2]
    found = operations.catalog.webhooks.find(hook.id)
    assert found is not None
    assert found.failing_since is None


def test_a_sites_webhook_never_calls_inside(operations: Operations, receiver: Receiver) -> None:
    """What the operator allows is for the platform's webhooks; a name that leads inside is seen."""
    acme = operations.catalog.tenants.get("acme")
    with pytest.raises(BadWebhookError):
        add_webhook(operations, receiver.url, events=(), tenant_id=acme.id)
    hook, _ = add_webhook(operations, "https://localhost/", events=(), tenant_id=acme.id)
    with pytest.raises(BadWebhookError):
        change_webhook(operations, hook, url=receiver.url)
    operations.suspend("acme")
    work(operations)
    message = newest(operations, hook.id)
    assert message.state is DeliveryState.WAITING
    assert "not outside" in message.problem
    assert receiver.taken == []


def test_a_quiet_site_calls_nothing(operations: Operations) -> None:
    """Not even with a test, which anyone could have sent who has not confirmed an address yet."""
    catalog, acme = operations.catalog, operations.catalog.tenants.get("acme")
    hook, _ = add_webhook(operations, "https://localhost/", events=(), tenant_id=acme.id)
    with catalog.store.updating() as connection:
        connection.execute(update(TenantRecord).values(quiet=True))
    catalog.webhooks.send_test(hook.id, by=operations.actor)
    work(operations)
    (message,) = catalog.webhooks.list_deliveries(hook.id)
    assert (message.state, message.attempts) == (DeliveryState.WAITING, 0)
    with catalog.store.updating() as connection:
        connection.execute(update(TenantRecord).values(quiet=False))
    work(operations)
    (message,) = catalog.webhooks.list_deliveries(hook.id)
    assert message.attempts == 1


def test_one_that_fails_for_days_is_turned_off(operations: Operations, receiver: Receiver) -> None:
    """Its people are mailed once; what waits is given up; turned on, it begins anew."""
    catalog = operations.catalog
    catalog.accounts.add("op@x.test", operator=True, by=operations.actor)
    hook, _ = add_webhook(operations, receiver.url, events=(), tenant_id=None)
    receiver.status = 503
    for _ in range(2):
        catalog.webhooks.send_test(hook.id, by=operations.actor)
    work(operations)
    with catalog.store.updating() as connection:
        long_ago = now() - timedelta(days=3, minutes=1)
        connection.execute(update(WebhookRecord).values(failing_since=long_ago))
    work(operations)
    work(operations)
    off = catalog.webhooks.find(hook.id)
    assert off is not None
    assert not off.is_on
    assert "the answer was 503" in off.problem
    messages = catalog.webhooks.list_deliveries(hook.id)
    assert {message.state for message in messages} == {DeliveryState.FAILED}
    assert catalog.audit.list(action="webhook.off").total == 1
    assert catalog.jobs.count_by_state()[JobState.FAILED] == 0
    assert catalog.jobs.list(name=mail_jobs(catalog, operations.settings)[0].name).total == 1

    receiver.status = 200
    change_webhook(operations, off, is_on=True)
    catalog.webhooks.send_again(messages[0].id, by=operations.actor)
    work(operations)
    assert newest(operations, hook.id).state is DeliveryState.ACCEPTED


def test_one_that_is_gone_is_turned_off_at_once(operations: Operations, receiver: Receiver) -> None:
    """A 410 says that it will not come back. A site's owners are told, not the operators."""
    receiver.status = 410
    hook, _ = add_webhook(operations, receiver.url, events=(), tenant_id=None)
    operations.catalog.webhooks.send_test(hook.id, by=operations.actor)
    work(operations)
    off = operations.catalog.webhooks.find(hook.id)
    assert off is not None
    assert not off.is_on
    assert len(receiver.taken) == 1


def test_the_last_attempt_says_so(operations: Operations, receiver: Receiver) -> None:
    """A message whose attempts are used up has failed."""
    hook, _ = add_webhook(operations, receiver.url, events=(), tenant_id=None)
    receiver.status = 500
    operations.catalog.webhooks.send_test(hook.id, by=operations.actor)
    with operations.catalog.store.updating() as connection:
        connection.execute(update(JobRecord).values(attempts=79))
    work(operations)
    assert newest(operations, hook.id).state is DeliveryState.FAILED


def test_a_renewed_secret_signs_the_next_message(
    operations: Operations, receiver: Receiver, make_settings: Callable[..., Settings]
) -> None:
    """And a key that is gone opens none: the message fails and says why."""
    hook, first = add_webhook(operations, receiver.url, events=(), tenant_id=None)
    second = renew_webhook_secret(operations, hook)
    renewed = operations.catalog.webhooks.find(hook.id)
    assert renewed is not None
    assert open_webhook_secret(operations.settings, renewed) == second != first
    other = make_settings(secret_keys="x" * 40, webhook_networks="127.0.0.0/8")
    assert open_webhook_secret(other, renewed) is None
    operations.catalog.webhooks.send_test(hook.id, by=operations.actor)
    work(ledger.operations(operations.catalog, other))
    message = newest(operations, hook.id)
    assert message.state is DeliveryState.FAILED
    assert "TENANTRY_SECRET_KEYS" in message.problem
    assert receiver.taken == []
