"""The schema revision of each tenant's database, as recorded in the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select

from tenantry.catalog.models import TenantRecord
from tenantry.catalog.values import Behind
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import ColumnElement

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor

WITHOUT = (TenantState.PROVISIONING, TenantState.DELETED)
"""States of tenants that have no database to be kept up to date."""


class TenantSchemas:
    """The schema revisions of tenants' databases."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, tenant_id: str) -> str | None:
        """Return the schema revision that is known of a tenant's database."""
        query = select(TenantRecord.schema_revision).where(TenantRecord.id == tenant_id)
        with self._store.reading() as session:
            return session.scalar(query) or None

    def count(self) -> dict[str, int]:
        """Return how many tenants are at each schema revision; those that nobody knows under ``""``."""
        known = TenantRecord.state.not_in(WITHOUT)
        return self._store.count_by(TenantRecord.schema_revision, known)

    def list(self) -> tuple[str, ...]:
        """Return the schema revisions at which tenants are; ``""`` stands for those nobody knows."""
        return self._store.list_distinct(TenantRecord.schema_revision)

    def count_behind(
        self, target: str, *, only: Collection[str] = (), most: int | None = None
    ) -> int:
        """Return how many tenants are not known to be at the schema revision *target*.

        :param most: Count no further than to one more than this.
        """
        behind = select(TenantRecord.id).where(is_behind(target, only))
        counted = behind.limit(None if most is None else most + 1).subquery()
        query = select(func.count()).select_from(counted)
        with self._store.reading() as session:
            return session.scalar(query) or 0

    def list_behind(self, target: str, *, only: Collection[str] = ()) -> tuple[Behind, ...]:
        """Return groups of tenants that are alike: on one placement, at one schema revision."""
        record = TenantRecord
        query = (
            select(record.placement, record.schema_revision, func.count(), func.min(record.id))
            .where(is_behind(target, only))
            .group_by(record.placement, record.schema_revision)
            .order_by(record.placement, record.schema_revision)
        )
        with self._store.reading() as session:
            return tuple(Behind(*row) for row in session.execute(query).tuples())

    def record(self, tenant_id: str, schema: str, *, by: Actor) -> None:
        """Note the schema revision that a tenant's database has got in another way than by a run.

        Where no revision is known there are no migrations, and none is noted.

        :raises TenantNotFoundError: No tenant has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.schema_revision and record.schema_revision != schema:
                detail = {"before": record.schema_revision, "after": schema}
                record.schema_revision = schema
                writer.change(record, "tenant.schema", detail)


def is_behind(target: str, only: Collection[str] = ()) -> ColumnElement[bool]:
    """Return a condition: the tenant is not known to be at *target*, and is one of *only*, if any."""
    revision = TenantRecord.schema_revision
    # Two ranges of an index. "Is not" would read every tenant, and so would naming the other states.
    behind = or_(revision < target, revision > target) & TenantRecord.state.not_in(WITHOUT)
    return behind & TenantRecord.slug.in_(only) if only else behind
