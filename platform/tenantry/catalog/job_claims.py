"""The queue of jobs as its workers see it: claim, keep the lease, report, end.

On PostgreSQL a claim locks its row and skips those that other workers have locked. On SQLite it is one
immediate transaction. A claim is good until its lease ends. A worker that is dead or cut off does not
move the lease on, so another worker takes the job up, and what the first one still says of it is
ignored: the number of attempts is another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, func, insert, or_, select, update

from tenantry.catalog.job_adding import jobs
from tenantry.catalog.job_order import next_position
from tenantry.catalog.jobs import BATCH, may_run
from tenantry.catalog.models import JobLineRecord, TenantRecord, as_job
from tenantry.catalog.values import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Job, JobLine

MAX_LOSSES = 10
"""Workers that may die over one job. After that it is taken for what kills them."""

_READY = (jobs.c.state == JobState.QUEUED, jobs.c.position.is_not(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """What a worker says of a job: how far it is, or how it ended."""

    state: JobState = JobState.RUNNING
    done: int = 0
    total: int = 0
    lines: tuple[JobLine, ...] = ()
    error: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    pause: timedelta = timedelta(0)
    """After which the next attempt may begin, of one that is queued again."""
    is_attempt: bool = True
    """Whether this attempt counts; one that its worker gave back does not."""


class JobClaims:
    """The claims of one worker.

    :param worker: Its name, which no other worker has.
    :param lease: How long a claim is good without a heartbeat.
    :param find_elsewhere: Returns the placements of other nodes, whose tenants' jobs are theirs.
    :param is_drained: Says whether no job is to begin on this node.
    """

    def __init__(
        self,
        store: Store,
        worker: str,
        *,
        lease: timedelta,
        find_elsewhere: Callable[[], Collection[str]] = tuple,
        is_drained: Callable[[], bool] = bool,
    ) -> None:
        self._store = store
        self._worker = worker[:100]
        self._lease = lease
        self._find_elsewhere = find_elsewhere
        self._is_drained = is_drained

    def claim(self, *, busy: Collection[str | None] = ()) -> Job | None:
        """Take the next job, to be run now.

        :param busy: Ids of tenants that have their share of this worker already, ``None`` for the
            platform itself.
        """
        moment = self._store.clock()
        if not self._has_due(moment):  # hardly ever is there anything: do not lock for that
            return None
        is_drained = self._is_drained()
        chosen = (
            select(jobs.c.id)
            .join(TenantRecord, TenantRecord.id == jobs.c.tenant_id, isouter=True)
            .where(*_READY, may_run(), _others_than(busy))
            .where(or_(jobs.c.deadline_at.is_(None), jobs.c.deadline_at > moment))
            .order_by(jobs.c.position, jobs.c.id)
            .limit(1)
            .with_for_update(of=jobs, skip_locked=True)
        )
        if elsewhere := self._find_elsewhere():
            here = TenantRecord.placement.not_in(elsewhere)
            chosen = chosen.where(or_(TenantRecord.id.is_(None), here))
        with self._store.updating() as connection:
            self._queue_due(connection, moment)
            # Due jobs have a position now: find_pause() would not let a drained node rest otherwise.
            job_id = None if is_drained else connection.scalar(chosen)
            if job_id is None:
                return None
            claimed = (
                update(jobs)
                .where(jobs.c.id == job_id)
                .values(
                    state=JobState.RUNNING,
                    attempts=jobs.c.attempts + 1,
                    worker=self._worker,
                    lease_until=moment + self._lease,
                    started_at=moment,
                    cancel_requested=False,
                )
            )
            return as_job(connection.execute(claimed.returning(*jobs.c)).one())

    def find_pause(self) -> float | None:
        """Return the seconds until the next job may start that waits for its time."""
        query = select(func.min(jobs.c.due_at)).where(
            jobs.c.state == JobState.QUEUED, jobs.c.position.is_(None)
        )
        with self._store.connection() as connection:
            found: datetime | None = connection.scalar(query)
            if found is None:
                return None
            return (found - self._store.clock(connection)).total_seconds()

    def keep(self, job_ids: Collection[int]) -> dict[tuple[int, int], bool]:
        """Move on the leases of what this worker runs.

        :return: Each job's id and attempt, with whether it is asked to stop. A job that is missing is
            not this worker's any more.
        """
        kept = (
            update(jobs)
            .where(jobs.c.state == JobState.RUNNING, jobs.c.worker == self._worker)
            .where(jobs.c.id.in_(job_ids))
            .values(lease_until=self._store.clock() + self._lease)
            .returning(jobs.c.id, jobs.c.attempts, jobs.c.cancel_requested)
        )
        with self._store.updating() as connection:
            return {
                (row.id, row.attempts): row.cancel_requested for row in connection.execute(kept)
            }

    def report(self, job: Job, told: JobReport) -> bool:
        """Record how far a job is, or how it ended; return whether it is still this worker's."""
        moment = self._store.clock()
        values: dict[str, Any] = {"done": told.done, "total": told.total}
        if told.state is not JobState.RUNNING:
            values |= {
                "state": told.state,
                "error": told.error[:500],
                "result": dict(told.result),
                "lease_until": None,
            }
        if told.state is JobState.QUEUED:
            values |= {"due_at": moment + told.pause}
            # One that was given back keeps its position, so it is the next one to start.
            values |= {"position": None} if told.is_attempt else {"attempts": jobs.c.attempts - 1}
        elif told.state.is_final:
            values |= {"finished_at": moment}
        written = (
            update(jobs)
            .where(jobs.c.id == job.id, jobs.c.state == JobState.RUNNING)
            .where(jobs.c.worker == self._worker, jobs.c.attempts == job.attempts)
            .values(values)
        )
        with self._store.updating() as connection:
            is_ours = bool(connection.execute(written).rowcount)
            if is_ours and told.lines:
                connection.execute(insert(JobLineRecord), _rows_of(job, told.lines))
            return is_ours

    def leave(self) -> None:
        """End the leases of all that this worker still runs: it is about to end."""
        left = (
            update(jobs)
            .where(jobs.c.state == JobState.RUNNING, jobs.c.worker == self._worker)
            .values(lease_until=self._store.clock())
        )
        with self._store.updating() as connection:
            connection.execute(left)

    def list_busy_workers(self) -> tuple[str, ...]:
        """Return the names of the workers that run something, as far as the catalog knows."""
        query = select(jobs.c.worker).where(jobs.c.state == JobState.RUNNING).distinct()
        with self._store.connection() as connection:
            return tuple(connection.scalars(query))

    def take_back(self, *, dead: Collection[str] = ()) -> int:
        """Queue again what dead workers ran, and fail what is too late; return how many.

        :param dead: Workers that are known to be dead. Others are when their leases have ended.
        """
        moment = self._store.clock()
        is_over = or_(jobs.c.lease_until < moment, jobs.c.worker.in_(dead))
        expired = (jobs.c.state == JobState.RUNNING, is_over)
        late = (jobs.c.state == JobState.QUEUED, jobs.c.deadline_at <= moment)
        with self._store.connection() as connection:
            query = select(jobs.c.id).where(or_(and_(*expired), and_(*late))).limit(1)
            if connection.scalar(query) is None:
                return 0
        over = {"finished_at": moment, "lease_until": None, "state": JobState.FAILED}
        deadly = f"its worker ended {MAX_LOSSES} times while it ran"
        changes = (
            update(jobs)
            .where(*expired, jobs.c.losses >= MAX_LOSSES - 1)
            .values(**over, error=deadly, losses=jobs.c.losses + 1),
            update(jobs)
            .where(*expired)
            .values(
                state=JobState.QUEUED,
                due_at=moment,
                lease_until=None,
                losses=jobs.c.losses + 1,
                error="its worker ended while it ran",
            ),
            update(jobs).where(*late).values(**over, error="it did not start before its deadline"),
        )
        with self._store.updating() as connection:
            return sum(connection.execute(change).rowcount for change in changes)

    def _has_due(self, moment: datetime) -> bool:
        query = select(jobs.c.id).where(jobs.c.state == JobState.QUEUED, jobs.c.due_at <= moment)
        with self._store.connection() as connection:
            return connection.scalar(query.limit(1)) is not None

    def _queue_due(self, connection: Connection, moment: datetime) -> None:
        """Give a position to jobs whose time has come."""
        due = (
            select(jobs.c.id, jobs.c.tenant_id)
            .where(jobs.c.state == JobState.QUEUED, jobs.c.position.is_(None))
            .where(jobs.c.due_at <= moment)
            .order_by(jobs.c.due_at, jobs.c.id)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
        )
        for row in connection.execute(due).all():
            position = next_position(connection, row.tenant_id)
            connection.execute(update(jobs).where(jobs.c.id == row.id).values(position=position))


def _others_than(busy: Collection[str | None]) -> Any:
    ids = [tenant_id for tenant_id in busy if tenant_id is not None]
    owned = jobs.c.tenant_id.not_in(ids)
    if None in busy:
        return jobs.c.tenant_id.is_not(None) & owned
    return or_(jobs.c.tenant_id.is_(None), owned)


def _rows_of(job: Job, lines: Iterable[JobLine]) -> list[dict[str, Any]]:
    return [
        {"job_id": job.id, "attempt": line.attempt, "at": line.at, "text": line.text[:500]}
        for line in lines
    ]
