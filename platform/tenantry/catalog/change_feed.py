"""The change feed: which tenants changed since some epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select

from tenantry.catalog.models import ChangeRecord, Head, HostRecord, TenantRecord
from tenantry.catalog.names import SERVED_HOST
from tenantry.catalog.store import PLATFORM_CHANGE
from tenantry.catalog.values import Changes
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog.store import Store

# What every worker asks after each change.
_tenants, _hosts = TenantRecord.__table__.c, HostRecord.__table__.c
_changes = ChangeRecord.__table__.c
EPOCH = select(Head.__table__.c.epoch)
CHANGED = (
    select(_changes.tenant_id)
    .where(_changes.epoch > bindparam("after"), _changes.epoch <= bindparam("until"))
    .order_by(_changes.epoch)
    .limit(1000)
)
CHANGED_TENANTS = (
    select(_tenants.id, _tenants.slug, _tenants.revision, _tenants.purged_at)
    .add_columns(_tenants.state)
    .add_columns(_hosts.name.label("host"))
    .join_from(TenantRecord.__table__, HostRecord.__table__, SERVED_HOST, isouter=True)
    .where(_tenants.id.in_(bindparam("ids", expanding=True)))
    .order_by(_hosts.verified_at)
)


class ChangeFeed:
    """What workers ask to stay up to date. Every writer numbers its changes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_epoch(self) -> int:
        """Return the number of the newest change."""
        with self._store.connection() as connection:
            return connection.scalar(EPOCH) or 0

    def read_since(self, after: int) -> Changes:
        """Return what happened since the epoch *after*, in one transaction."""
        with self._store.connection() as connection:
            epoch = connection.scalar(EPOCH) or 0
            changed = connection.scalars(CHANGED, {"after": after, "until": epoch}).all()
            # Numbers have no holes: anything else than all of them means pruned, too many to
            # name, or a catalog restored from the past.
            if len(changed) != epoch - after:
                return Changes(epoch, complete=False)
            ids = set(changed) - {PLATFORM_CHANGE}
            rows = connection.execute(CHANGED_TENANTS, {"ids": list(ids)}).all()
        hosts: dict[str, tuple[str, ...]] = {row.id: () for row in rows}
        for row in rows:
            hosts[row.id] += () if row.host is None else (row.host,)
        gone = dict.fromkeys(ids, 2**31)
        return Changes(
            epoch,
            gone=frozenset(ids - {row.id for row in rows if row.purged_at is None}),
            deleted=frozenset(row.id for row in rows if row.state == TenantState.DELETED),
            hosts=hosts,
            slugs={row.id: row.slug for row in rows},
            revisions=gone | {row.id: row.revision for row in rows},
        )
