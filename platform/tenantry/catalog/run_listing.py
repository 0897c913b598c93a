"""Writes down which tenants a migration run is about, some in each statement.

One statement for all of them holds the catalog's write lock for minutes where there are a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Integer, func, insert, literal, select
from sqlalchemy import cast as sql_cast

from tenantry.catalog.models import MigrationRunRecord, MigrationStepRecord, TenantRecord
from tenantry.catalog.tenant_schemas import is_behind
from tenantry.catalog.values import StepState

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.orm import Session

LISTING = 5_000
"""Tenants that one transaction adds to a run."""
LISTED = "listed"
"""A run's option until it has all its tenants: the id of the last one, and how many there are."""

_steps = cast("Table", MigrationStepRecord.__table__)


def list_more(
    session: Session, record: MigrationRunRecord, last: str, count: int
) -> list[Any] | None:
    """Add the next tenants to a run; return the last one's id and how many there are, if any came."""
    # By id: they are random, so that canaries are a fair sample.
    behind = is_behind(record.target, record.options["only"])
    few = (
        select(TenantRecord.id, TenantRecord.schema_revision)
        .where(behind, TenantRecord.id > last)
        .order_by(TenantRecord.id)
        .limit(LISTING)
        .subquery()
    )
    position = func.row_number().over(order_by=few.c.id) + count
    chosen = select(
        literal(record.id),
        few.c.id,
        sql_cast(position, Integer),
        literal(StepState.PENDING.value),
        few.c.schema_revision,
        literal(""),
        literal(0.0),
        literal(""),
    )
    names = [column.name for column in _steps.c]
    connection = session.connection()
    add = insert(_steps).from_select(names, chosen).execution_options(preserve_rowcount=True)
    added = connection.execute(add).rowcount
    if not added:
        return None
    count += added
    newest = select(_steps.c.tenant_id).where(
        _steps.c.run_id == record.id,
        _steps.c.state == StepState.PENDING,
        _steps.c.position == count,
    )
    return [connection.scalar(newest), count]
