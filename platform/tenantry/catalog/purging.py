"""Purging in the catalog: what belongs to a tenant, taking it away, and the tombstone that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from tenantry.catalog.custom_hosts import lay_to_rest
from tenantry.catalog.models import (
    HostRecord,
    LinkRecord,
    MembershipRecord,
    MigrationStepRecord,
    SessionRecord,
    TenantRecord,
    now,
)
from tenantry.catalog.names import locked
from tenantry.catalog.store import Store
from tenantry.catalog.tenants import to_row
from tenantry.errors import BadTransitionError, TooEarlyError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tenantry.catalog.values import Actor

BELONGINGS: Mapping[str, Any] = {
    "custom hosts": HostRecord,
    "memberships": MembershipRecord,
    "one-use links": LinkRecord,
    "sessions": SessionRecord,
    "steps of migrations": MigrationStepRecord,
}
"""Rows that go with a tenant. What stays: its own row, the names it had, the audit trail,
and for a time its hosts, so that no other tenant gets them at once."""


class Purging(Store):
    """The catalog's part of a purge. Each step can be repeated."""

    def begin_purge(self, tenant_id: str, *, early: bool = False, by: Actor) -> None:
        """Close the way back: from here on the tenant cannot be undeleted.

        :param early: Also if its purge date is still to come.
        :raises BadTransitionError: It is not deleted.
        :raises TooEarlyError: Its purge date is still to come.
        """
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            if record.state != TenantState.DELETED:
                raise BadTransitionError(record.slug, record.state, "purged")
            row = to_row(record)
            if row.is_due:
                return
            if not early:
                raise TooEarlyError(record.slug, row.purge_date)
            record.purge_at = now()
            writer.changed(record)
            writer.audit("tenant.purge.begin", tenant=record)

    def count_belongings(self, tenant_id: str) -> dict[str, int]:
        """Return how many rows of each kind belong to the tenant; kinds without any are left out."""
        counts = {
            noun: select(func.count()).select_from(table).where(table.tenant_id == tenant_id)
            for noun, table in BELONGINGS.items()
        }
        with self.reading() as session:
            found = {noun: session.scalar(query) or 0 for noun, query in counts.items()}
        return {noun: number for noun, number in found.items() if number}

    def clear_tenant(self, tenant_id: str, *, by: Actor) -> None:
        """Take away a purged tenant's rows, and what its own row says of people.

        :raises BadTransitionError: Its purge has not begun.
        """
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            if record.state != TenantState.DELETED or not to_row(record).is_due:
                raise BadTransitionError(record.slug, record.state, "cleared")
            for host in record.hosts:
                lay_to_rest(writer.session, host)
            for table in BELONGINGS.values():
                writer.session.execute(delete(table).where(table.tenant_id == tenant_id))
            writer.session.expire(record, ["hosts", "members"])
            record.name, record.settings, record.reason = record.slug, {}, ""
            record.listed, record.owners = False, []
            writer.changed(record)

    def finish_purge(self, tenant_id: str, *, by: Actor) -> None:
        """Note that nothing is left, once."""
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            if record.purged_at is None:
                record.purged_at = now()
                record.former_placement = record.moving_to = ""
                writer.changed(record)
                writer.audit("tenant.purge", tenant=record)

    def list_due(self, *, limit: int = 500) -> tuple[str, ...]:
        """Return the slugs of deleted tenants whose purge date is over, the longest due first."""
        query = (
            select(TenantRecord.slug)
            .where(
                TenantRecord.state == TenantState.DELETED,
                TenantRecord.purge_at <= now(),
                TenantRecord.purged_at.is_(None),
            )
            .order_by(TenantRecord.purge_at)
            .limit(limit)
        )
        with self.reading() as session:
            return tuple(session.scalars(query))
