"""The audit trail's hash chain: compute it, verify it, compare it with the anchor."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select

from tenantry.catalog.models import AuditRecord, Head
from tenantry.catalog.values import AuditCheck, AuditPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row, Table

    from tenantry.catalog.anchor import AuditAnchor

log = logging.getLogger(__name__)

GENESIS = "0" * 64
"""The hash before the first event."""

START = AuditPoint(0, GENESIS)
"""Before the first event."""

FOLLOWED = 1000
"""Events that one write follows at most to bring the anchor up; the next write goes on."""

_events = cast("Table", AuditRecord.__table__)

_BROKEN = (
    "Event {} of the audit trail does not match the one before it: one of them was changed, or "
    "events between them were removed or added."
)
_NOT_SEEN = (
    "Event {} of the audit trail is not the one that was seen before: the trail was written anew from "
    "some event on, or the catalog was restored from an older backup."
)
_CUT = (
    "The audit trail ends at event {}, and event {} was seen before: the newest events were removed, "
    "or the catalog was restored from an older backup."
)
_HEADLESS = (
    "The audit trail ends at event {}, and its head does not: the newest events were removed."
)


def chain(previous: str, event: AuditRecord | Row[Any]) -> str:
    """Return the hash that chains *event* to the one before, whose hash is *previous*."""
    content = [
        previous,
        event.at.isoformat(),
        event.actor_kind,
        event.actor,
        event.account_id,
        event.action,
        event.tenant_id,
        event.tenant_slug,
        event.detail,
        event.ip,
        event.request_id,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def follow_anchor(connection: Connection, anchor: AuditAnchor) -> None:
    """Bring the anchor up to the newest event, along the chain; one that is broken holds it.

    :raises AuditAnchorError: The anchor's file is damaged.
    :raises OSError: It cannot be read or written.
    """
    found = anchor.read()
    if found is None:  # the newest event is believed: nothing was ever said about the others
        if newest := _newest(connection):
            log.warning("the audit trail has no anchor: it begins at event %s", newest.number)
            anchor.advance(None, newest)
        return
    query = select(_events).where(_events.c.number >= found.number)
    events = connection.execute(query.order_by(_events.c.number).limit(FOLLOWED)).all()
    if not events or events[0].hash != found.hash:
        log.error("audit event %s is gone: run `tenantry audit verify`", found.number)
        return
    reached = found
    for event in events[1:]:
        if chain(reached.hash, event) != event.hash:
            log.error("audit event %s is wrong: run `tenantry audit verify`", event.number)
            break
        reached = AuditPoint(event.number, event.hash)
    if reached != found:
        anchor.advance(found, reached)


def verify_chain(connection: Connection, seen: Sequence[AuditPoint]) -> AuditCheck:
    """Follow the chain from the first event to the head, past the events that were *seen*.

    :param connection: One whose queries all see the catalog at one moment.
    """
    waiting = sorted(seen, key=lambda point: point.number, reverse=True)
    newest, checked = START, 0
    query = select(_events).order_by(_events.c.number).execution_options(yield_per=1000)
    with closing(connection.execute(query)) as events:
        for event in events:
            point = AuditPoint(event.number, event.hash)
            if chain(newest.hash, event) != event.hash:
                problem = _BROKEN.format(point.number)
                return AuditCheck(newest, None, checked, point.number, problem)
            # A number can be missing: PostgreSQL gives none away twice.
            while waiting and waiting[-1].number <= point.number:
                if (wanted := waiting.pop()) != point:
                    problem = _NOT_SEEN.format(wanted.number)
                    return AuditCheck(newest, None, checked, wanted.number, problem)
            newest, checked = point, checked + 1
    return _check_end(connection, newest, checked, seen)


def verify_end(connection: Connection, seen: Sequence[AuditPoint]) -> AuditCheck:
    """Compare only the newest event with the head, and the events that were *seen* with the trail.

    :param connection: One whose queries all see the catalog at one moment.
    """
    newest = _newest(connection) or START
    for point in seen:
        if point.number <= newest.number:
            query = select(_events.c.hash).where(_events.c.number == point.number)
            if connection.scalar(query) != point.hash:
                problem = _NOT_SEEN.format(point.number)
                return AuditCheck(newest, None, 0, point.number, problem)
    return _check_end(connection, newest, 0, seen)


def _newest(connection: Connection) -> AuditPoint | None:
    query = select(_events.c.number, _events.c.hash).order_by(_events.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else AuditPoint(row.number, row.hash)


def _check_end(
    connection: Connection, newest: AuditPoint, checked: int, seen: Iterable[AuditPoint]
) -> AuditCheck:
    """Say whether the trail goes as far as its head, and as what was *seen* of it."""
    farthest = max((point.number for point in seen), default=0)
    if farthest > newest.number:
        problem = _CUT.format(newest.number, farthest)
    elif connection.scalar(select(Head.audit_hash)) != newest.hash:
        problem = _HEADLESS.format(newest.number)
    else:
        return AuditCheck(newest, None, checked)
    return AuditCheck(newest, None, checked, newest.number + 1, problem)
