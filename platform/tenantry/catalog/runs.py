"""Migration runs: their steps, states and failures."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import bindparam, func, select, update

from tenantry.catalog.models import (
    MigrationRunRecord,
    MigrationStepRecord,
    TenantRecord,
    as_tenant,
    copy_to,
    now,
)
from tenantry.catalog.run_listing import LISTED, list_more
from tenantry.catalog.tenant_schemas import WITHOUT
from tenantry.catalog.values import Run, RunState, Step, StepState
from tenantry.errors import MigrationRunningError, NoRunError, RunLostError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import Select, Table
    from sqlalchemy.orm import Session

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Actor

MIGRATING = "its database is being migrated"
"""The reason of a tenant that a run has put into maintenance, and that a run opens again."""
STALE = timedelta(seconds=60)
"""A run that was not seen for so long is over, whatever became of it."""
BATCH = 200

NEWEST_RUN = select(MigrationRunRecord).order_by(MigrationRunRecord.id.desc()).limit(1)

# A run writes each step twice. Made once, and of tables instead of records, that costs a fifth.
_steps_table, _tenants_table = (
    cast("Table", record.__table__) for record in (MigrationStepRecord, TenantRecord)
)
_columns = _steps_table.c
NEXT_STEPS = (
    select(_tenants_table)
    .join_from(_steps_table, _tenants_table, _tenants_table.c.id == _columns.tenant_id)
    .where(_columns.run_id == bindparam("run"), _columns.state == StepState.PENDING)
    .order_by(_columns.position)
    .limit(bindparam("most"))
)
WRITE_STEP = update(_steps_table).where(
    _columns.run_id == bindparam("run"), _columns.tenant_id == bindparam("tenant")
)
WRITE_SCHEMA = update(_tenants_table).where(_tenants_table.c.id == bindparam("tenant"))


class Runs:
    """Records of migrations. The databases themselves know best; these tell without opening them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find_last(self) -> Run | None:
        """Return the newest run."""
        with self._store.reading() as session:
            record = session.scalar(NEWEST_RUN)
            return None if record is None else _to_run(session, record)

    def find_mark(self) -> str:
        """Return another text when the newest run has got further: one indexed read."""
        columns = (MigrationRunRecord.id, MigrationRunRecord.state, MigrationRunRecord.seen_at)
        newest = select(*columns).order_by(MigrationRunRecord.id.desc()).limit(1)
        with self._store.reading() as session:
            row = session.execute(newest).one_or_none()
        return "" if row is None else f"{row.id}-{row.state}-{row.seen_at.timestamp()}"

    def list(self, *, limit: int = 10) -> tuple[Run, ...]:
        """Return the newest runs, the newest first."""
        query = select(MigrationRunRecord).order_by(MigrationRunRecord.id.desc()).limit(limit)
        with self._store.reading() as session:
            return tuple(_to_run(session, record) for record in session.scalars(query))

    def list_failed_steps(self, run_id: int, *, limit: int = 100) -> tuple[Step, ...]:
        """Return the first failures of a run, and those that it could not get at."""
        query = _steps(run_id, StepState.FAILED, StepState.PENDING)
        query = query.where(MigrationStepRecord.error != "").limit(limit)
        with self._store.reading() as session:
            return tuple(_to_step(step, tenant) for step, tenant in session.execute(query).tuples())

    def begin(
        self,
        target: str,
        *,
        only: Sequence[str] = (),
        node: str,
        options: Mapping[str, Any],
        by: Actor,
    ) -> Run:
        """Record a run over all tenants that are behind, or over *only* these.

        :param node: Where it runs; the caller has made sure that no other run lives there.
        :raises MigrationRunningError: Another one is under way elsewhere.
        """
        with self._store.writing(by) as writer:
            _end_dead(writer.session, node)
            record = MigrationRunRecord(
                state=RunState.RUNNING,
                target=target,
                options={**options, "only": list(only), "node": node, LISTED: ["", 0]},
                actor=by.label[:254],
                started_at=now(),
                seen_at=now(),
            )
            writer.session.add(record)
            writer.session.flush()
            run_id = record.id
        return self._list_steps(run_id, by=by)

    def _list_steps(self, run_id: int, *, by: Actor) -> Run:
        """Write down the run's tenants, some in each transaction; return the run when all are there.

        What is already listed is in the run's options until its end, so a run that died here goes on.
        """
        while True:
            with self._store.writing(by) as writer:
                record = _seen(writer.session, run_id)
                listed = record.options.get(LISTED)
                if listed is None:
                    return _to_run(writer.session, record)
                listed = list_more(writer.session, record, *listed)
                if listed is not None:
                    record.options = {**record.options, LISTED: listed}
                    continue
                record.options = {
                    name: value for name, value in record.options.items() if name != LISTED
                }
                run = _to_run(writer.session, record)
                detail = {"run": run.id, "target": run.target, "tenants": run.total}
                writer.audit("migration.begin", detail=detail)
                return run

    def resume(self, target: str, *, states: Collection[StepState], node: str, by: Actor) -> Run:
        """Open the newest run again: its steps in *states* are to be done.

        :raises NoRunError: There is nothing of that kind to do.
        :raises MigrationRunningError: It is under way elsewhere.
        """
        with self._store.writing(by) as writer:
            session = writer.session
            _end_dead(session, node)
            record = session.scalar(NEWEST_RUN)
            if record is None:
                raise NoRunError("there was none yet")
            if record.target != target:
                problem = f"the last one was to {record.target!r}, this release is at {target!r}"
                raise NoRunError(problem)
            reopened = session.execute(
                update(MigrationStepRecord)
                .where(MigrationStepRecord.run_id == record.id)
                .where(MigrationStepRecord.state.in_(states))
                .values(state=StepState.PENDING, error="")
            ).rowcount  # type: ignore[attr-defined]
            if not reopened and LISTED not in record.options:
                raise NoRunError(f"run {record.id} has no step that is {' or '.join(states)}")
            record.state, record.finished_at, record.seen_at = RunState.RUNNING, None, now()
            record.options = {**record.options, "node": node}
            detail = {"run": record.id, "target": target, "tenants": reopened}
            writer.audit("migration.resume", detail=detail)
            run_id = record.id
        return self._list_steps(run_id, by=by)

    def claim_steps(self, run_id: int, count: int, *, by: Actor) -> tuple[Step, ...]:
        """Take the next steps, to be done now; those that need nothing any more are *skipped*.

        :raises RunLostError: The run was taken for dead meanwhile.
        """
        with self._store.writing(by) as writer:
            run = _seen(writer.session, run_id)
            connection = writer.session.connection()
            rows = connection.execute(NEXT_STEPS, {"run": run_id, "most": count}).all()
            steps = tuple(_claimed(row, run.target) for row in rows)
            if steps:
                connection.execute(WRITE_STEP, [_written(run_id, step) for step in steps])
            return steps

    def return_steps(self, run_id: int, tenant_ids: Collection[str], *, by: Actor) -> None:
        """Give back steps that were claimed and not begun."""
        with self._store.writing(by) as writer:
            writer.session.execute(
                update(MigrationStepRecord)
                .where(MigrationStepRecord.run_id == run_id)
                .where(MigrationStepRecord.tenant_id.in_(tenant_ids))
                .values(state=StepState.PENDING)
            )

    def record_steps(self, run_id: int, steps: Iterable[Step], *, by: Actor) -> None:
        """Keep what became of steps; tenants whose schema changed are other ones from now on.

        Without any it shows that the run lives.

        :raises RunLostError: The run was taken for dead meanwhile.
        """
        with self._store.writing(by) as writer:
            _seen(writer.session, run_id)
            ended = {done.tenant.id: done for done in steps}
            if not ended:
                return
            connection = writer.session.connection()
            connection.execute(WRITE_STEP, [_written(run_id, done) for done in ended.values()])
            well = [done for done in ended.values() if done.state is StepState.OK]
            if not well:
                return
            schemas = [{"tenant": done.tenant.id, "schema_revision": done.after} for done in well]
            connection.execute(WRITE_SCHEMA, schemas)
            writer.renew(done.tenant.id for done in well if done.before != done.after)
            closed = _in_maintenance().where(TenantRecord.id.in_(done.tenant.id for done in well))
            for tenant in writer.session.scalars(closed):
                _reopen(writer, tenant)

    def end(self, run_id: int, state: RunState, *, by: Actor) -> Run:
        """Record that the run is over."""
        with self._store.writing(by) as writer:
            record = _seen(writer.session, run_id)
            record.state, record.finished_at = state, now()
            run = _to_run(writer.session, record)
            detail = {"run": run_id, "state": state} | {
                name.value: count for name, count in run.counts.items() if count
            }
            writer.audit("migration.end", detail=detail)
            return run

    def begin_maintenance(
        self, run_id: int, schemas: Collection[str], *, first: int | None = None, by: Actor
    ) -> None:
        """Put the run's pending tenants at these schema revisions into maintenance.

        :param first: Only so many of the run's tenants are looked at, the first ones.
        """
        pending = _steps(run_id, StepState.PENDING)
        query = pending.where(
            TenantRecord.state == TenantState.ACTIVE, TenantRecord.schema_revision.in_(schemas)
        )
        if first is not None:
            early = pending.with_only_columns(TenantRecord.id).limit(first)
            query = query.where(TenantRecord.id.in_(early))
        found = True
        while found:
            with self._store.writing(by) as writer:
                _seen(writer.session, run_id)
                found = False
                for _, tenant in writer.session.execute(query.limit(BATCH)).tuples():
                    found = True
                    tenant.reason = MIGRATING
                    writer.change_state(tenant, TenantState.MAINTENANCE, reason=MIGRATING)

    def end_maintenance(self, target: str, *, by: Actor) -> None:
        """Serve tenants again that a run held, and that are at *target* without its help."""
        closed = _in_maintenance().where(TenantRecord.schema_revision == target)
        with self._store.reading() as session:
            if session.scalar(closed.limit(1)) is None:
                return
        with self._store.writing(by) as writer:
            for tenant in writer.session.scalars(closed):
                _reopen(writer, tenant)


def _steps(run_id: int, *states: StepState) -> Any:
    """Return a query for a run's steps in these states with their tenants, in the run's order."""
    return (
        select(MigrationStepRecord, TenantRecord)
        .join(TenantRecord, TenantRecord.id == MigrationStepRecord.tenant_id)
        .where(MigrationStepRecord.run_id == run_id, MigrationStepRecord.state.in_(states))
        .order_by(MigrationStepRecord.position)
    )


def _seen(session: Session, run_id: int) -> MigrationRunRecord:
    record = session.get_one(MigrationRunRecord, run_id)
    if record.state != RunState.RUNNING:
        raise RunLostError(run_id)
    record.seen_at = now()
    return record


def _end_dead(session: Session, node: str) -> None:
    """Record that runs which died are over; one that may live is left alone."""
    running = select(MigrationRunRecord).where(MigrationRunRecord.state == RunState.RUNNING)
    for record in session.scalars(running):
        if record.options.get("node") != node and now() - record.seen_at < STALE:
            raise MigrationRunningError(record.id, str(record.options.get("node")))
        record.state, record.finished_at = RunState.INTERRUPTED, now()


def _in_maintenance() -> Select[tuple[TenantRecord]]:
    return select(TenantRecord).where(
        TenantRecord.state == TenantState.MAINTENANCE, TenantRecord.reason == MIGRATING
    )


def _claimed(row: Any, target: str) -> Step:
    """Return what a row of :data:`NEXT_STEPS` is now."""
    tenant = as_tenant(row, hosts=())
    before = row.schema_revision
    if row.state in WITHOUT:
        return Step(tenant, StepState.SKIPPED, before, error=f"it is {row.state}")
    if before == target:
        return Step(tenant, StepState.SKIPPED, before, after=target)
    return Step(tenant, StepState.RUNNING, before)


def _written(run_id: int, step: Step) -> dict[str, Any]:
    """Return what :data:`WRITE_STEP` needs: whose row it is, and the columns' new values."""
    return {
        "run": run_id,
        "tenant": step.tenant.id,
        "state": step.state,
        "before": step.before,
        "after": step.after,
        "seconds": step.seconds,
        "error": step.error[:500],
    }


def _reopen(writer: Writer, tenant: TenantRecord) -> None:
    tenant.reason = ""
    writer.change_state(tenant, TenantState.ACTIVE)


def _to_run(session: Session, record: MigrationRunRecord) -> Run:
    query = (
        select(MigrationStepRecord.state, func.count())
        .where(MigrationStepRecord.run_id == record.id)
        .group_by(MigrationStepRecord.state)
    )
    found = dict(session.execute(query).tuples().all())
    counts = {state: found.get(state, 0) for state in StepState}
    return copy_to(Run, record, state=RunState(record.state), counts=counts)


def _to_step(step: MigrationStepRecord, tenant: TenantRecord) -> Step:
    return copy_to(Step, step, tenant=tenant.to_tenant(), state=StepState(step.state))
