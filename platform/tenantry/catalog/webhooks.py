"""Webhooks: create, change, remove; their messages, and what became of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update

from tenantry.catalog.job_adding import add_job
from tenantry.catalog.models import WebhookDeliveryRecord, WebhookRecord, now
from tenantry.catalog.text import storable
from tenantry.catalog.values import DeliveryState
from tenantry.catalog.webhook_messages import (
    MAX_WAITING,
    compose,
    count_waiting,
    job_of,
    new_delivery,
)
from tenantry.errors import WebhookLimitError, WebhookNotFoundError
from tenantry.values.webhook_events import PING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Actor, Webhook, WebhookDelivery

MAX_WEBHOOKS = 10
"""Of one site, and of the platform itself."""
KEPT = 100
"""Messages of one webhook that are kept when they are over."""
REST = timedelta(seconds=60)
"""After a message that was not accepted, so long nothing is sent."""
FAILING = timedelta(days=3)
"""A webhook that has accepted nothing for so long is turned off."""
STALE = timedelta(days=7)
"""A message that still waits after so long has lost its job."""


class Webhooks:
    """What the catalog knows of webhooks."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self,
        webhook_id: str,
        url: str,
        *,
        events: Iterable[str],
        sealed_secret: str,
        tenant_id: str | None,
        by: Actor,
    ) -> Webhook:
        """Add a webhook, which is told what happens from now on.

        :param events: The types that it is told; none stands for all.
        :param tenant_id: The one site that it is about; ``None`` for all sites.
        :raises WebhookLimitError: There are :data:`MAX_WEBHOOKS` already.
        """
        record = WebhookRecord(
            id=webhook_id,
            tenant_id=tenant_id,
            url=url,
            events=sorted(set(events)),
            sealed_secret=sealed_secret,
        )
        with self._store.writing(by) as writer:
            count = writer.session.scalar(select(func.count()).where(_of(tenant_id))) or 0
            if count >= MAX_WEBHOOKS:
                name = "The platform" if tenant_id is None else "The site"
                raise WebhookLimitError(name, MAX_WEBHOOKS, "webhooks")
            writer.session.add(record)
            writer.session.flush()
            _audit(writer, "webhook.create", record)
            return record.to_webhook()

    def find(self, webhook_id: str) -> Webhook | None:
        """Return a webhook."""
        with self._store.reading() as session:
            record = session.get(WebhookRecord, webhook_id)
            return None if record is None else record.to_webhook()

    def list_of(self, tenant_id: str | None) -> tuple[Webhook, ...]:
        """Return the webhooks of a site, or those about all sites, the oldest first."""
        query = select(WebhookRecord).where(_of(tenant_id))
        query = query.order_by(WebhookRecord.created_at, WebhookRecord.id)
        with self._store.reading() as session:
            return tuple(record.to_webhook() for record in session.scalars(query))

    def list_failing(self, *, limit: int) -> tuple[Webhook, ...]:
        """Return the platform's own webhooks that were turned off or accept nothing now."""
        query = select(WebhookRecord).where(
            WebhookRecord.tenant_id.is_(None), WebhookRecord.failing_since.is_not(None)
        )
        with self._store.reading() as session:
            return tuple(it.to_webhook() for it in session.scalars(query.limit(limit)))

    def change(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        events: Iterable[str] | None = None,
        is_on: bool | None = None,
        by: Actor,
    ) -> Webhook:
        """Change a webhook; what is left out stays. One that is turned on begins anew.

        :raises WebhookNotFoundError: It does not exist.
        """
        with self._store.writing(by) as writer:
            record = _get(writer, webhook_id)
            if url is not None:
                record.url = url
            if events is not None:
                record.events = sorted(set(events))
            if is_on is not None:
                record.is_on = is_on
                record.problem = "" if is_on else "It was turned off by hand."
                record.failing_since = record.rests_until = None
                record.missed = 0
            writer.session.flush()
            _audit(writer, "webhook.change", record)
            return record.to_webhook()

    def replace_secret(self, webhook_id: str, sealed_secret: str, *, by: Actor) -> None:
        """Let the next message be signed with another secret.

        :raises WebhookNotFoundError: It does not exist.
        """
        with self._store.writing(by) as writer:
            record = _get(writer, webhook_id)
            record.sealed_secret = sealed_secret
            _audit(writer, "webhook.secret", record)

    def remove(self, webhook_id: str, *, by: Actor) -> None:
        """Remove a webhook with its messages.

        :raises WebhookNotFoundError: It does not exist.
        """
        with self._store.writing(by) as writer:
            record = _get(writer, webhook_id)
            _audit(writer, "webhook.remove", record)
            writer.session.delete(record)

    # --- messages -------------------------------------------------------------------------------

    def list_deliveries(self, webhook_id: str) -> tuple[WebhookDelivery, ...]:
        """Return the newest :data:`KEPT` messages of a webhook, the newest first."""
        query = (
            select(WebhookDeliveryRecord)
            .where(WebhookDeliveryRecord.webhook_id == webhook_id)
            .order_by(WebhookDeliveryRecord.created_at.desc(), WebhookDeliveryRecord.id)
            .limit(KEPT)
        )
        with self._store.reading() as session:
            return tuple(record.to_delivery() for record in session.scalars(query))

    def find_delivery(self, delivery_id: str) -> tuple[Webhook, WebhookDelivery] | None:
        """Return a message and whose it is; it may have been removed meanwhile."""
        query = (
            select(WebhookRecord, WebhookDeliveryRecord)
            .join(WebhookDeliveryRecord, WebhookDeliveryRecord.webhook_id == WebhookRecord.id)
            .where(WebhookDeliveryRecord.id == delivery_id)
        )
        with self._store.reading() as session:
            found = session.execute(query).tuples().one_or_none()
            return None if found is None else (found[0].to_webhook(), found[1].to_delivery())

    def send_test(self, webhook_id: str, *, by: Actor) -> WebhookDelivery:
        """Have a message sent that says nothing has happened.

        :raises WebhookNotFoundError: It does not exist.
        :raises WebhookLimitError: Too many of its messages wait.
        """
        with self._store.writing(by) as writer:
            hook = _get(writer, webhook_id)
            body = compose(PING, {"tenant_id": hook.tenant_id, "by": by.kind})
            record = WebhookDeliveryRecord(**new_delivery(hook.id, PING, body))
            self._queue(writer, hook, record)
            return record.to_delivery()

    def send_again(self, delivery_id: str, *, by: Actor) -> WebhookDelivery:
        """Have a message sent once more, with the same id; one that waits already is left alone.

        :raises WebhookNotFoundError: It does not exist.
        :raises WebhookLimitError: Too many of its webhook's messages wait.
        """
        with self._store.writing(by) as writer:
            record = writer.session.get(WebhookDeliveryRecord, delivery_id)
            if record is None:
                raise WebhookNotFoundError(delivery_id)
            if record.state != DeliveryState.WAITING:
                record.state, record.problem, record.attempts = DeliveryState.WAITING, "", 0
                self._queue(writer, _get(writer, record.webhook_id), record)
            return record.to_delivery()

    def _queue(self, writer: Writer, hook: WebhookRecord, record: WebhookDeliveryRecord) -> None:
        connection = writer.session.connection()
        if count_waiting(connection, [hook.id]).get(hook.id, 0) >= MAX_WAITING:
            raise WebhookLimitError("The webhook", MAX_WAITING, "messages that wait")
        hook.rests_until = None
        writer.session.add(record)
        writer.session.flush()
        moment = self._store.clock(connection)
        add_job(connection, job_of(record.id, hook.tenant_id), writer.by, moment=moment)
        writer.has_jobs = True

    def note_accepted(self, delivery_id: str, status: int) -> None:
        """Note that a message was accepted; older ones beyond :data:`KEPT` are forgotten."""
        with self._store.updating() as connection:
            hook_id = connection.scalar(_note(delivery_id, DeliveryState.ACCEPTED, status, ""))
            if hook_id is None:
                return
            connection.execute(
                update(WebhookRecord)
                .where(WebhookRecord.id == hook_id, WebhookRecord.is_on)
                .values(failing_since=None, rests_until=None, problem="")
            )
            connection.execute(_forget_beyond(hook_id))

    def note_refused(
        self, delivery_id: str, status: int | None, problem: str, *, is_last: bool
    ) -> None:
        """Note that a message was not accepted; the webhook rests for :data:`REST`.

        :param is_last: Whether it is not tried any more.
        """
        state = DeliveryState.FAILED if is_last else DeliveryState.WAITING
        told, moment = storable(problem), now()
        with self._store.updating() as connection:
            hook_id = connection.scalar(_note(delivery_id, state, status, told))
            since = func.coalesce(WebhookRecord.failing_since, moment)
            connection.execute(
                update(WebhookRecord)
                .where(WebhookRecord.id == hook_id, WebhookRecord.is_on)
                .values(failing_since=since, rests_until=moment + REST, problem=told)
            )
            if is_last and hook_id is not None:
                connection.execute(_forget_beyond(hook_id))

    def turn_off(self, webhook_id: str, problem: str, *, by: Actor) -> Webhook | None:
        """Turn a webhook off that does not work; ``None`` if it is off already."""
        with self._store.writing(by) as writer:
            record = writer.session.get(WebhookRecord, webhook_id, with_for_update=True)
            if record is None or not record.is_on:
                return None
            record.is_on, record.problem = False, storable(problem)
            record.failing_since = record.failing_since or now()
            writer.session.flush()
            _audit(writer, "webhook.off", record)
            return record.to_webhook()

    def give_up_stale(self) -> int:
        """Note that messages failed which have waited for :data:`STALE`; return how many."""
        stale = (
            update(WebhookDeliveryRecord)
            .where(WebhookDeliveryRecord.state == DeliveryState.WAITING)
            .where(WebhookDeliveryRecord.created_at < now() - STALE)
            .values(state=DeliveryState.FAILED, problem="Its job was cancelled or is gone.")
        )
        with self._store.updating() as connection:
            return connection.execute(stale).rowcount


def _of(tenant_id: str | None) -> Any:
    if tenant_id is None:
        return WebhookRecord.tenant_id.is_(None)
    return WebhookRecord.tenant_id == tenant_id


def _get(writer: Writer, webhook_id: str) -> WebhookRecord:
    record = writer.session.get(WebhookRecord, webhook_id, with_for_update=True)
    if record is None:
        raise WebhookNotFoundError(webhook_id)
    return record


def _audit(writer: Writer, action: str, record: WebhookRecord) -> None:
    """Note what was done to a webhook; the secret is no part of that."""
    detail = {"id": record.id, "url": record.url, "events": record.events}
    if record.problem:
        detail["problem"] = record.problem
    writer.audit(action, tenant=record.tenant_id, detail=detail)


def _note(delivery_id: str, state: DeliveryState, status: int | None, problem: str) -> Any:
    return (
        update(WebhookDeliveryRecord)
        .where(WebhookDeliveryRecord.id == delivery_id)
        .values(
            state=state,
            status=status,
            problem=problem,
            attempts=WebhookDeliveryRecord.attempts + 1,
            tried_at=now(),
        )
        .returning(WebhookDeliveryRecord.webhook_id)
    )


def _forget_beyond(webhook_id: str) -> Any:
    """Return the statement that removes a webhook's messages which are over, but for the newest."""
    over = (
        select(WebhookDeliveryRecord.id)
        .where(WebhookDeliveryRecord.webhook_id == webhook_id)
        .where(WebhookDeliveryRecord.state != DeliveryState.WAITING)
        .order_by(WebhookDeliveryRecord.created_at.desc(), WebhookDeliveryRecord.id)
        .offset(KEPT)
        .limit(KEPT)
    )
    return delete(WebhookDeliveryRecord).where(WebhookDeliveryRecord.id.in_(over))
