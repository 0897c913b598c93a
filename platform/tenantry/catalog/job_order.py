"""The order of jobs: each tenant's wait in a line of its own, and the lines take turns.

A job's position is one more than the last of its own tenant's that wait, but not before the first of
all that wait: start-time fair queueing. Among ten thousand jobs of one tenant, another tenant's first
job is the next one to start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tenantry.catalog.models import JobRecord
from tenantry.catalog.values import JobState

if TYPE_CHECKING:
    from sqlalchemy import Connection

_WAITS = (JobRecord.state == JobState.QUEUED, JobRecord.position.is_not(None))


def next_position(connection: Connection, tenant_id: str | None) -> int:
    """Return the position of a job that is added now.

    :param tenant_id: Whose it is; ``None`` is the platform's.
    """
    # "IS NOT DISTINCT FROM" would not use the index.
    own = JobRecord.tenant_id.is_(None) if tenant_id is None else JobRecord.tenant_id == tenant_id
    first = connection.scalar(select(func.min(JobRecord.position)).where(*_WAITS))
    last = connection.scalar(select(func.max(JobRecord.position)).where(*_WAITS, own))
    return max(first or 0, 0 if last is None else last + 1)
