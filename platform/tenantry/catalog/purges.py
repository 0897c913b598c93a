"""Purges in the catalog: remove a tenant's rows and keep its tombstone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from tenantry.catalog.custom_hosts import lay_to_rest
from tenantry.catalog.models import (
    ApiTokenRecord,
    BackupRecord,
    HostRecord,
    InvitationRecord,
    JobRecord,
    LinkRecord,
    MailRecord,
    MembershipRecord,
    MigrationStepRecord,
    SessionRecord,
    TenantRecord,
    WebhookRecord,
    now,
)
from tenantry.errors import BadTransitionError, TooEarlyError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor

OWN_ROWS: Mapping[str, Any] = {
    "custom host": HostRecord,
    "membership": MembershipRecord,
    "invitation": InvitationRecord,
    "one-use link": LinkRecord,
    "session": SessionRecord,
    "API token": ApiTokenRecord,
    "job": JobRecord,
    "mail": MailRecord,
    "migration step": MigrationStepRecord,
    "note of a backup": BackupRecord,
    "webhook": WebhookRecord,
}
"""Rows that go with a tenant. What stays: its own row, the names it had, the audit trail,
and for a time its hosts, so that no other tenant gets them at once."""


class Purges:
    """The catalog's part of a purge. Each step can be repeated."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, tenant_id: str, *, early: bool = False, by: Actor) -> None:
        """Close the way back: from here on the tenant cannot be undeleted.

        :param early: Also if its purge date is still to come.
        :raises BadTransitionError: It is not deleted.
        :raises TooEarlyError: Its purge date is still to come.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.state != TenantState.DELETED:
                raise BadTransitionError(record.slug, record.state, "purged")
            row = record.to_row()
            if row.is_due:
                return
            if not early:
                raise TooEarlyError(record.slug, row.purge_date)
            record.purge_at = now()
            writer.change(record, "tenant.purge.begin")

    def count_rows(self, tenant_id: str) -> dict[str, int]:
        """Return how many rows of each kind belong to the tenant; kinds without any are not there."""
        counts = {
            noun: select(func.count()).select_from(table).where(table.tenant_id == tenant_id)
            for noun, table in OWN_ROWS.items()
        }
        with self._store.reading() as session:
            found = {noun: session.scalar(query) or 0 for noun, query in counts.items()}
        return {noun: number for noun, number in found.items() if number}

    def clear(self, tenant_id: str, *, by: Actor) -> None:
        """Take away a purged tenant's rows, and what its own row says of people.

        :raises BadTransitionError: Its purge has not begun.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.state != TenantState.DELETED or not record.to_row().is_due:
                raise BadTransitionError(record.slug, record.state, "cleared")
            for host in record.hosts:
                lay_to_rest(writer.session, host)
            for table in OWN_ROWS.values():
                writer.session.execute(delete(table).where(table.tenant_id == tenant_id))
            writer.session.expire(record, ["hosts", "members"])
            record.name, record.settings, record.reason = record.slug, {}, ""
            record.listed, record.owners = False, []
            writer.changed(record)

    def finish(self, tenant_id: str, *, by: Actor) -> None:
        """Note that nothing is left, once."""
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.purged_at is None:
                record.purged_at = now()
                record.former_placement = record.moving_to = ""
                writer.change(record, "tenant.purge")

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
        with self._store.reading() as session:
            return tuple(session.scalars(query))
