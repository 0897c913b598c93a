"""What is known of tenants' newest backups: how old they are, and whether they are good."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from tenantry.catalog.models import BackupRecord, TenantRecord, now
from tenantry.catalog.slices import Order, read_slice
from tenantry.catalog.tenant_schemas import WITHOUT

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from tenantry.catalog.slices import Slice
    from tenantry.catalog.store import Store
    from tenantry.catalog.values import NewestBackup, TenantRow

MAX_PROBLEM = 500


class BackupFilter(StrEnum):
    """Which tenants a list of backups has."""

    ALL = ""
    NONE = "none"
    """No backup is known."""
    OLD = "old"
    """The newest backup is older than a given moment."""
    UNCHECKED = "unchecked"
    """The newest backup was not verified."""
    DAMAGED = "damaged"
    """A fault was found in the newest backup."""


class Backups:
    """Notes of backups. The files lie in the folder of the node that made them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, tenant_id: str, *, file: str, made_at: datetime, size: int) -> None:
        """Note a tenant's newest backup; if it is the one that is known, that it is still current."""
        facts = {"file": file, "made_at": made_at, "size": size, "current_at": now()}
        known = BackupRecord.tenant_id == tenant_id
        anew = {"checked_at": None, "problem": ""}
        with self._store.updating() as connection:
            found = connection.scalar(select(BackupRecord.file).where(known).with_for_update())
            if found is None:
                row = {"tenant_id": tenant_id, **facts, **anew}
                connection.execute(insert(BackupRecord).values(row))
            else:
                changes = facts if found == file else facts | anew
                connection.execute(update(BackupRecord).where(known).values(changes))

    def record_check(
        self, tenant_id: str, *, file: str, problem: str = "", restored: bool = False
    ) -> None:
        """Note what a check of a backup has found; of one that is not the newest, only a restore.

        :param problem: Why it is no good.
        :param restored: Whether it was restored, and the site worked.
        """
        known, at = BackupRecord.tenant_id == tenant_id, now()
        checked = {"checked_at": at, "problem": problem[:MAX_PROBLEM]}
        with self._store.updating() as connection:
            newest = known & (BackupRecord.file == file)
            connection.execute(update(BackupRecord).where(newest).values(checked))
            if restored:
                connection.execute(update(BackupRecord).where(known).values(restored_at=at))

    def find(self, tenant_ids: Collection[str]) -> dict[str, NewestBackup]:
        """Return what is known of the tenants' newest backups, by their ids."""
        query = select(BackupRecord).where(BackupRecord.tenant_id.in_(tenant_ids))
        with self._store.reading() as session:
            return {row.tenant_id: row.to_backup() for row in session.scalars(query)}

    def list(
        self, which: BackupFilter, *, before: datetime, cursor: str = "", size: int = 50
    ) -> Slice[TenantRow]:
        """Return a page of tenants that have data, by slug.

        :param before: A backup is old if it was last current before this moment.
        """
        query = select(TenantRecord).where(
            TenantRecord.state.not_in(WITHOUT), *_conditions(which, before)
        )
        order = Order((TenantRecord.slug, TenantRecord.id))
        return read_slice(
            self._store, query, order, convert=TenantRecord.to_row, cursor=cursor, size=size
        )

    def list_slugs(self, which: BackupFilter, *, before: datetime, limit: int) -> tuple[str, ...]:
        """Return the slugs of the first such tenants."""
        query = (
            select(TenantRecord.slug)
            .where(TenantRecord.state.not_in(WITHOUT), *_conditions(which, before))
            .order_by(TenantRecord.slug)
            .limit(limit)
        )
        with self._store.reading() as session:
            return tuple(session.scalars(query))


def _conditions(which: BackupFilter, before: datetime) -> tuple[ColumnElement[bool], ...]:
    record = BackupRecord
    if which is BackupFilter.ALL:
        return ()
    if which is BackupFilter.NONE:
        return (TenantRecord.id.not_in(select(record.tenant_id)),)
    wanted = {
        BackupFilter.OLD: record.current_at < before,
        BackupFilter.UNCHECKED: record.checked_at.is_(None),
        BackupFilter.DAMAGED: record.problem != "",
    }[which]
    return (TenantRecord.id.in_(select(record.tenant_id).where(wanted)),)
