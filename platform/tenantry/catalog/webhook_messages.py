"""What webhooks are to be told, written down in the transaction that makes it true.

So nothing is told that was rolled back, and nothing is forgotten if a process is killed.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, insert, or_, select, update

from tenantry.catalog.job_adding import add_jobs
from tenantry.catalog.models import (
    TenantRecord,
    WebhookDeliveryRecord,
    WebhookRecord,
    now,
)
from tenantry.catalog.values import DeliveryState, NewJob
from tenantry.errors import JobQueueFullError
from tenantry.values.webhook_events import find_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row, Table

    from tenantry.catalog.models import AuditRecord
    from tenantry.catalog.values import Actor

JOB = "webhooks.deliver"
ATTEMPTS = 80
"""Of one message: the pauses grow from 30 seconds to an hour, so they take three days and a bit."""
MAX_WAITING = 500
"""Messages of one webhook that may wait; it misses what happens meanwhile."""

_webhooks, _deliveries = (
    cast("Table", record.__table__) for record in (WebhookRecord, WebhookDeliveryRecord)
)


@dataclass(frozen=True, slots=True)
class Message:
    """Something that happened to a tenant."""

    type: str
    tenant_id: str | None
    body: str


def make_message(event: AuditRecord) -> Message | None:
    """Return what webhooks are told of an event of the audit trail; ``None`` for most."""
    if (found := find_event(event.action, event.detail)) is None:
        return None
    kind, facts = found
    data = {
        "tenant_id": event.tenant_id,
        "tenant_slug": event.tenant_slug,
        "by": event.actor_kind,
        **facts,
    }
    return Message(kind, event.tenant_id, compose(kind, data))


def compose(kind: str, data: dict[str, Any]) -> str:
    """Return a message's body, as Standard Webhooks recommends it."""
    moment = now().isoformat(timespec="seconds").replace("+00:00", "Z")
    return json.dumps({"type": kind, "timestamp": moment, "data": data}, ensure_ascii=False)


def add_deliveries(
    connection: Connection,
    messages: Sequence[Message],
    by: Actor,
    clock: Callable[[Connection], datetime],
) -> bool:
    """Add the messages for each webhook that is told of them; return whether there are any.

    :param clock: Returns the time by which jobs start.
    """
    hooks = _find_webhooks(connection, {message.tenant_id for message in messages})
    if not hooks:
        return False
    moment = clock(connection)
    waiting = count_waiting(connection, [hook.id for hook in hooks])
    added = False
    for hook in hooks:
        wanted = [
            message
            for message in messages
            if hook.tenant_id in {None, message.tenant_id}
            and (not hook.events or message.type in hook.events)
        ]
        room = max(0, MAX_WAITING - waiting.get(hook.id, 0))
        told = _queue(connection, hook, wanted[:room], by, moment)
        if told < len(wanted):
            missed = _webhooks.c.missed + len(wanted) - told
            connection.execute(
                update(_webhooks).where(_webhooks.c.id == hook.id).values(missed=missed)
            )
        added = added or told > 0
    return added


def _queue(
    connection: Connection, hook: Row[Any], messages: Sequence[Message], by: Actor, moment: datetime
) -> int:
    """Add deliveries of a webhook with their jobs; return how many."""
    if not messages:
        return 0
    rows = [new_delivery(hook.id, message.type, message.body) for message in messages]
    jobs = [job_of(row["id"], hook.tenant_id) for row in rows]
    try:
        add_jobs(connection, jobs, by, moment=moment)
    except JobQueueFullError:  # what is told must not keep it from being done
        return 0
    connection.execute(insert(_deliveries), rows)
    return len(rows)


def new_delivery(hook_id: str, kind: str, body: str) -> dict[str, Any]:
    """Return the row of a message that is to be sent."""
    return {
        "id": uuid.uuid4().hex,
        "webhook_id": hook_id,
        "type": kind,
        "body": body,
        "state": DeliveryState.WAITING,
        "attempts": 0,
        "problem": "",
        "created_at": now(),
    }


def job_of(delivery_id: str, tenant_id: str | None) -> NewJob:
    """Return the job that sends a delivery."""
    return NewJob(
        name=JOB,
        arguments={"delivery": delivery_id},
        tenant_id=tenant_id,
        needs_site=False,
        max_attempts=ATTEMPTS,
    )


def _find_webhooks(connection: Connection, tenant_ids: Iterable[str | None]) -> Sequence[Row[Any]]:
    """Return the webhooks that are on: the platform's, and those of tenants that are not quiet."""
    own = _webhooks.c.tenant_id.in_([it for it in tenant_ids if it is not None])
    query = (
        select(_webhooks.c.id, _webhooks.c.tenant_id, _webhooks.c.events)
        .join(TenantRecord, TenantRecord.id == _webhooks.c.tenant_id, isouter=True)
        .where(_webhooks.c.is_on)
        .where(or_(_webhooks.c.tenant_id.is_(None), own & TenantRecord.quiet.is_(False)))
    )
    return connection.execute(query).all()


def count_waiting(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return how many messages of each of these webhooks wait; one without any is not there."""
    column = _deliveries.c.webhook_id
    query = (
        select(column, func.count())
        .where(column.in_(ids), _deliveries.c.state == DeliveryState.WAITING)
        .group_by(column)
    )
    return dict(connection.execute(query).tuples().all())
