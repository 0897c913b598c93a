"""The queue of jobs as those who ask for jobs see it: add, list, cancel, try again, remove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.job_adding import add_job, add_jobs, jobs
from tenantry.catalog.job_order import next_position
from tenantry.catalog.listener import JOBS_CHANNEL
from tenantry.catalog.models import (
    JobLineRecord,
    JobRecord,
    ScheduleRecord,
    TenantRecord,
    as_job,
)
from tenantry.catalog.preconditions import check_revision_of
from tenantry.catalog.values import JobState
from tenantry.errors import JobNotFoundError, JobStateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Table

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, Job, JobLine, NewJob, Page

BATCH = 500
"""Jobs of one transaction: on SQLite, workers and other writers wait for its end."""

schedules = cast("Table", ScheduleRecord.__table__)


class Jobs:
    """Jobs from the moment when they are asked for until their retention is over."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.pipe = store.jobs_pipe

    def add(self, *wanted: NewJob, by: Actor) -> tuple[Job, ...]:
        """Add jobs, up to 500 in one transaction; one whose key is there already is returned as it is.

        Of more than that, those of the transactions before an error stay. With keys, the same call
        again adds only the others.

        :raises JobQueueFullError: Too many jobs of the tenant wait.
        """
        added: list[Job] = []
        for first in range(0, len(wanted), BATCH):
            batch = wanted[first : first + BATCH]
            try:
                added += self._add(batch, by)
            except IntegrityError:  # another process has added the same key: now it is found
                added += self._add(batch, by)
        return tuple(added)

    def _add(self, wanted: Sequence[NewJob], by: Actor) -> tuple[Job, ...]:
        with self._store.updating() as connection:
            check_revision_of(connection, {one.tenant_id for one in wanted})
            added = add_jobs(connection, wanted, by, moment=self.clock(connection))
            self.notify(connection)
        self.pipe.wake()
        return added

    def get(self, job_id: int) -> Job:
        """Return a job.

        :raises JobNotFoundError: There is none with this id.
        """
        with self._store.connection() as connection:
            return _get(connection, job_id)

    def get_progress(self, job_id: int) -> tuple[Job, int]:
        """Return a job and the id of its last log line, 0 without one, in one indexed read.

        :raises JobNotFoundError: There is none with this id.
        """
        last = select(func.max(JobLineRecord.id)).where(JobLineRecord.job_id == job_id)
        query = select(jobs, last.scalar_subquery().label("last")).where(jobs.c.id == job_id)
        with self._store.connection() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            raise JobNotFoundError(str(job_id))
        return as_job(found), found.last or 0

    def list(
        self,
        *,
        state: JobState | None = None,
        tenant_id: str | None = None,
        name: str | None = None,
        page: int = 1,
        size: int = 50,
    ) -> Page[Job]:
        """Return one page of the jobs, newest first."""
        query = select(JobRecord)
        if state is not None:
            query = query.where(JobRecord.state == state)
        if tenant_id is not None:
            query = query.where(JobRecord.tenant_id == tenant_id)
        if name is not None:
            query = query.where(JobRecord.name == name)
        return self._store.read_page(
            query, JobRecord.id.desc(), convert=as_job, page=page, size=size
        )

    def list_lines(self, job_id: int, *, limit: int = 1000) -> tuple[JobLine, ...]:
        """Return what a job has logged, the oldest line first."""
        query = select(JobLineRecord).where(JobLineRecord.job_id == job_id)
        with self._store.reading() as session:
            rows = session.scalars(query.order_by(JobLineRecord.id).limit(limit))
            return tuple(row.to_line() for row in rows)

    def clock(self, connection: Connection | None = None) -> datetime:
        """Return the time by which all nodes start jobs: the server's, if the catalog is on one.

        :param connection: One that is open anyway, if the server has to be asked.
        """
        return self._store.clock(connection)

    def count_by_state(self) -> dict[JobState, int]:
        """Return how many jobs are in each state; every state is there."""
        found = self._store.count_by(JobRecord.state)
        return {state: found.get(state.value, 0) for state in JobState}

    def count_open(self) -> tuple[int, int]:
        """Return how many jobs are queued, and how many run."""
        states = (JobState.QUEUED, JobState.RUNNING)
        found = self._store.count_by(JobRecord.state, JobRecord.state.in_(states))
        queued, running = (found.get(state.value, 0) for state in states)
        return queued, running

    def find_waiting_since(self) -> datetime | None:
        """Return since when the oldest job waits that could run; ``None`` if none does."""
        query = (
            select(func.min(JobRecord.due_at))
            .join(TenantRecord, TenantRecord.id == JobRecord.tenant_id, isouter=True)
            .where(JobRecord.state == JobState.QUEUED, JobRecord.due_at <= self.clock(), may_run())
        )
        with self._store.reading() as session:
            return session.scalar(query)

    def cancel(self, job_id: int, *, by: Actor) -> Job:
        """Cancel a job that waits; ask one that runs to stop, if it may be stopped.

        :raises JobNotFoundError: There is none with this id.
        :raises JobStateError: It is over, or cannot be cancelled while it runs.
        """
        moment = self.clock()
        with self._store.writing(by) as writer:
            record = _lock(writer.session, job_id)
            if record.state == JobState.QUEUED:
                record.state, record.finished_at = JobState.CANCELLED, moment
            elif record.state == JobState.RUNNING and record.cancellable:
                record.cancel_requested = True
            elif record.state == JobState.RUNNING:
                raise JobStateError(str(job_id), "runs, and cannot be cancelled in the middle")
            else:
                raise JobStateError(str(job_id), f"is {record.state} already")
            writer.session.flush()
            writer.audit("job.cancel", tenant=record.tenant_id, detail=_told(record))
            self.notify(writer.session.connection())
            job = as_job(record)
        self.pipe.wake()
        return job

    def retry(self, job_id: int, *, by: Actor) -> Job:
        """Let a job that failed or was cancelled run again, with all of its attempts.

        :raises JobNotFoundError: There is none with this id.
        :raises JobStateError: It has not failed.
        """
        moment = self.clock()
        with self._store.writing(by) as writer:
            record = _lock(writer.session, job_id)
            if record.state not in {JobState.FAILED, JobState.CANCELLED}:
                raise JobStateError(
                    str(job_id), f"is {record.state}; only a failed one is run again"
                )
            record.state, record.due_at, record.deadline_at = JobState.QUEUED, moment, None
            record.attempts = record.losses = record.done = 0
            record.finished_at, record.cancel_requested, record.error = None, False, ""
            record.position = next_position(writer.session.connection(), record.tenant_id)
            writer.session.flush()
            writer.audit("job.retry", tenant=record.tenant_id, detail=_told(record))
            self.notify(writer.session.connection())
            job = as_job(record)
        self.pipe.wake()
        return job

    def fire(
        self, schedule: str, due_at: datetime, prepare: Callable[[], NewJob], *, by: Actor
    ) -> Job | None:
        """Add a schedule's job for the moment *due_at*, once however many workers ask.

        A schedule that is seen for the first time begins with its next moment. A moment at which the
        last job of this name is not over is left out.

        :param prepare: Makes the job when it is to be added.
        :return: The job, if this call has added it.
        """
        known = select(ScheduleRecord.due_at).where(ScheduleRecord.name == schedule)
        moved = (
            update(ScheduleRecord)
            .where(ScheduleRecord.name == schedule, ScheduleRecord.due_at < due_at)
            .values(due_at=due_at)
        )
        with self._store.connection() as connection:  # hardly ever is there anything to do
            found = connection.scalar(known)
        if found is not None and found >= due_at:
            return None
        try:
            with self._store.updating() as connection:
                if found is None:
                    connection.execute(schedules.insert(), {"name": schedule, "due_at": due_at})
                    return None
                if not connection.execute(moved).rowcount:  # another worker has
                    return None
                wanted = prepare()
                active = select(jobs.c.id).where(
                    jobs.c.name == wanted.name,
                    jobs.c.state.in_((JobState.QUEUED, JobState.RUNNING)),
                )
                if connection.scalar(active.limit(1)) is not None:
                    return None
                job = add_job(connection, wanted, by, moment=self.clock(connection))
                self.notify(connection)
        except IntegrityError:  # another worker has seen it for the first time, too
            return None
        self.pipe.wake()
        return job

    def remove_finished(self, before: datetime) -> int:
        """Remove jobs that were over before this moment, with their lines; return how many."""
        old = select(jobs.c.id).where(jobs.c.finished_at < before).limit(BATCH)
        removed = 0
        while True:
            with self._store.updating() as connection:
                ids = connection.scalars(old).all()
                connection.execute(delete(jobs).where(jobs.c.id.in_(ids)))
            removed += len(ids)
            if len(ids) < BATCH:
                return removed

    def notify(self, connection: Connection) -> None:
        """Wake the workers of the other nodes when the transaction commits."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_notify(JOBS_CHANNEL, "")))


def may_run() -> Any:
    """Return the condition that a job's tenant lets it run; the tenant is joined."""
    active = (TenantRecord.state == "active") & TenantRecord.quiet.is_(False)
    return jobs.c.needs_site.is_(False) | active


def _get(connection: Connection, job_id: int) -> Job:
    found = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if found is None:
        raise JobNotFoundError(str(job_id))
    return as_job(found)


def _lock(session: Any, job_id: int) -> JobRecord:
    record: JobRecord | None = session.get(JobRecord, job_id, with_for_update=True)
    if record is None:
        raise JobNotFoundError(str(job_id))
    return record


def _told(record: JobRecord) -> dict[str, Any]:
    return {"job": record.id, "name": record.name}
