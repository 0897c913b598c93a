"""The sites that one job goes through: chosen once, by a filter, each with what became of it.

The job and its sites are recorded in one transaction, so what people were shown is what is done. A job
that is run again, after a worker's death or a cancellation, goes on with what is pending.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import insert, literal, select, update

from tenantry.catalog.job_adding import add_job
from tenantry.catalog.listings import tenant_conditions
from tenantry.catalog.models import JobSiteRecord, TenantRecord
from tenantry.catalog.text import storable
from tenantry.catalog.values import JobSite, SiteState
from tenantry.errors import BadArgumentError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Table

    from tenantry.catalog.jobs import Jobs
    from tenantry.catalog.listings import TenantFilter
    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, Job, NewJob

MAX_TEXT = 500

sites = cast("Table", JobSiteRecord.__table__)


class JobSites:
    """The record of which sites a job goes through."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs

    def count_matching(self, which: TenantFilter) -> dict[TenantState, int]:
        """Return how many tenants a filter finds in each state; a state that none has is not there."""
        found = self._store.count_by(TenantRecord.state, *tenant_conditions(self._store, which))
        return {TenantState(state): count for state, count in found.items()}

    def begin(
        self,
        new: NewJob,
        which: TenantFilter,
        *,
        states: Collection[TenantState],
        expected: int,
        by: Actor,
    ) -> Job:
        """Add a job that goes through the tenants of a filter that are in one of *states*.

        :param expected: How many they are, as people were shown.
        :raises BadArgumentError: They are not so many any more; nothing is added.
        """
        conditions = [
            *tenant_conditions(self._store, which),
            TenantRecord.state.in_([state.value for state in states]),
        ]
        with self._store.updating() as connection:
            job = add_job(connection, new, by, moment=self._jobs.clock(connection))
            chosen = select(
                literal(job.id), TenantRecord.id, literal(SiteState.PENDING.value), literal("")
            ).where(*conditions)
            columns = ["job_id", "tenant_id", "state", "text"]
            # An insertion's count is otherwise not kept, which psycopg's cursor then has lost.
            added = connection.execute(
                insert(sites).from_select(columns, chosen),
                execution_options={"preserve_rowcount": True},
            )
            count = added.rowcount
            if count != expected:
                problem = f"{count:,} match by now; read what it would do, and confirm that"
                raise BadArgumentError(f"{expected:,} sites", problem)
            self._jobs.notify(connection)
        self._jobs.pipe.wake()
        return job

    def count(self, job_id: int) -> dict[SiteState, int]:
        """Return how many sites of a job are in each state; every state is there."""
        found = self._store.count_by(JobSiteRecord.state, JobSiteRecord.job_id == job_id)
        return {state: found.get(state.value, 0) for state in SiteState}

    def list(self, job_id: int, state: SiteState, *, limit: int) -> tuple[JobSite, ...]:
        """Return sites of a job that are in this state."""
        query = (
            select(sites.c.tenant_id, TenantRecord.slug, sites.c.state, sites.c.text)
            .join(TenantRecord, TenantRecord.id == sites.c.tenant_id)
            .where(sites.c.job_id == job_id, sites.c.state == state.value)
            .order_by(sites.c.tenant_id)
            .limit(limit)
        )
        with self._store.connection() as connection:
            rows = connection.execute(query).all()
        return tuple(
            JobSite(row.tenant_id, row.slug, SiteState(row.state), row.text) for row in rows
        )

    def record(self, job_id: int, tenant_id: str, state: SiteState, text: str = "") -> None:
        """Record what became of one site."""
        changed = (
            update(sites)
            .where(sites.c.job_id == job_id, sites.c.tenant_id == tenant_id)
            .values(state=state.value, text=storable(text, MAX_TEXT))
        )
        with self._store.updating() as connection:
            connection.execute(changed)

    def retry_failed(self, job_id: int) -> None:
        """Let the sites that failed be pending again."""
        changed = (
            update(sites)
            .where(sites.c.job_id == job_id, sites.c.state == SiteState.FAILED.value)
            .values(state=SiteState.PENDING.value, text="")
        )
        with self._store.updating() as connection:
            connection.execute(changed)
