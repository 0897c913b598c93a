"""Adds jobs as a part of a transaction: their keys, their tenants' room and their positions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select

from tenantry.catalog.job_order import next_position
from tenantry.catalog.models import JobRecord, as_job
from tenantry.catalog.values import JobState
from tenantry.errors import JobQueueFullError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from tenantry.catalog.values import Actor, Job, NewJob

MAX_QUEUED = 20_000
"""Jobs of one tenant that may wait."""

jobs = cast("Table", JobRecord.__table__)


def add_job(connection: Connection, wanted: NewJob, by: Actor, *, moment: datetime) -> Job:
    """Add a job as a part of a transaction, or return the one that has its key.

    :param moment: The time by the catalog's clock.
    :raises JobQueueFullError: Too many jobs of the tenant wait.
    """
    return add_jobs(connection, (wanted,), by, moment=moment)[0]


def add_jobs(
    connection: Connection, wanted: Sequence[NewJob], by: Actor, *, moment: datetime
) -> tuple[Job, ...]:
    """Add jobs like :func:`add_job`, with as many statements as for one.

    :raises JobQueueFullError: Too many jobs of a tenant wait.
    """
    keys = [_full_key(one) for one in wanted]
    known = _find_keyed(connection, [key for key in keys if key is not None])
    first = {key: index for index, key in reversed([*enumerate(keys)])}
    new = [
        one
        for index, (one, key) in enumerate(zip(wanted, keys, strict=True))
        if key is None or (key not in known and first[key] == index)
    ]
    _check_room(connection, Counter(one.tenant_id for one in new))
    added = _insert(connection, new, by, moment) if new else []
    known |= {job.key: job for job in added if job.key is not None}
    unkeyed = iter([job for job in added if job.key is None])
    return tuple(next(unkeyed) if key is None else known[key] for key in keys)


def find_keyed(connection: Connection, wanted: NewJob) -> Job | None:
    """Return the job that has the key of this one."""
    key = _full_key(wanted)
    return None if key is None else _find_keyed(connection, [key]).get(key)


def _find_keyed(connection: Connection, keys: Sequence[str]) -> dict[str, Job]:
    if not keys:
        return {}
    found = map(as_job, connection.execute(select(jobs).where(jobs.c.key.in_(keys))))
    return {job.key: job for job in found if job.key is not None}


def _insert(
    connection: Connection, new: Sequence[NewJob], by: Actor, moment: datetime
) -> list[Job]:
    positions: dict[str | None, int] = {}
    rows = []
    for one in new:
        is_due = one.due_at is None or one.due_at <= moment
        if is_due and one.tenant_id not in positions:
            positions[one.tenant_id] = next_position(connection, one.tenant_id)
        position = positions[one.tenant_id] if is_due else None
        if is_due:
            positions[one.tenant_id] += 1
        rows.append(_row(one, by) | {"due_at": one.due_at or moment, "position": position})
    inserted = jobs.insert().returning(*jobs.c, sort_by_parameter_order=True)
    return [as_job(row) for row in connection.execute(inserted, rows)]


def _row(wanted: NewJob, by: Actor) -> dict[str, Any]:
    return {
        **{
            name: getattr(wanted, name)
            for name in (
                *("name", "tenant_id", "needs_site", "deadline_at"),
                *("max_attempts", "cancellable"),
            )
        },
        "arguments": dict(wanted.arguments),
        "key": _full_key(wanted),
        "state": JobState.QUEUED.value,
        "actor_kind": by.kind,
        "actor": by.label[:254],
        "account_id": by.account_id,
        "ip": by.ip,
        "request_id": by.request_id,
    }


def _full_key(wanted: NewJob) -> str | None:
    if wanted.key is None:
        return None
    return f"{wanted.tenant_id or ''}:{wanted.name}:{wanted.key}"


def _check_room(connection: Connection, wanted: Counter[str | None]) -> None:
    """Refuse more jobs of a tenant than may wait; the platform's own have no limit.

    :param wanted: How many are to be added for each.
    """
    for tenant_id, count in wanted.items():
        if tenant_id is None:
            continue
        beyond = (
            select(jobs.c.id)
            .where(jobs.c.tenant_id == tenant_id, jobs.c.state == JobState.QUEUED)
            .offset(max(MAX_QUEUED - count, 0))
            .limit(1)
        )
        if count > MAX_QUEUED or connection.scalar(beyond) is not None:
            raise JobQueueFullError(MAX_QUEUED)
