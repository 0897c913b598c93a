"""Long lists read piece by piece, in an order that no change disturbs.

A piece begins behind a key that never changes, so what is added, renamed or removed meanwhile makes
no other row appear twice or be left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import false, select

from tenantry.catalog.models import (
    AccountRecord,
    AuditRecord,
    FrontPageRecord,
    JobRecord,
    MembershipRecord,
    TenantRecord,
    as_job,
)
from tenantry.catalog.word_search import ACCOUNT_WORDS, has_words, matches_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Select

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Account, AuditEvent, Job, TenantRow
    from tenantry.values.front_page import FrontPageRevision

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Piece(Generic[T]):
    """A piece of a list."""

    items: tuple[T, ...]
    has_more: bool
    """Whether there is more behind the last one."""


class Scans:
    """Lists that are too long for pages with numbers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_tenants(
        self,
        *,
        after: str | None = None,
        size: int = 50,
        tenant_id: str | None = None,
        search: str = "",
        owner: str | None = None,
        **wanted: str | None,
    ) -> Piece[TenantRow]:
        """Return tenants by id.

        :param after: The id behind which to begin.
        :param tenant_id: Only this one.
        :param owner: Only those that this account owns, by its address.
        :param wanted: Columns that must have a value: *state*, *plan*, *placement*, *slug*.
        """
        query = select(TenantRecord)
        if tenant_id is not None:
            query = query.where(TenantRecord.id == tenant_id)
        if search:
            query = query.where(matches_tenant(self._store, search))
        if owner is not None:
            owned = (
                select(MembershipRecord.tenant_id)
                .join(AccountRecord, AccountRecord.id == MembershipRecord.account_id)
                .where(MembershipRecord.role == "owner", _is(AccountRecord.email, owner))
            )
            query = query.where(TenantRecord.id.in_(owned))
        query = _only(query, TenantRecord, wanted)
        if after is not None:
            query = query.where(TenantRecord.id > after)
        return self._read(query.order_by(TenantRecord.id), TenantRecord.to_row, size)

    def read_jobs(
        self, *, after: int | None = None, size: int = 50, **wanted: str | None
    ) -> Piece[Job]:
        """Return jobs, the newest first.

        :param after: The id behind which to begin.
        :param wanted: Columns that must have a value: *state*, *name*, *tenant_id*.
        """
        query = _only(select(JobRecord), JobRecord, wanted)
        if after is not None:
            query = query.where(JobRecord.id < after)
        return self._read(query.order_by(JobRecord.id.desc()), as_job, size)

    def read_accounts(
        self, *, after: str | None = None, size: int = 50, search: str = "", operators: bool = False
    ) -> Piece[Account]:
        """Return accounts by id.

        :param after: The id behind which to begin.
        :param operators: Only those of operators.
        """
        query = select(AccountRecord)
        if operators:
            query = query.where(AccountRecord.operator)
        if search:
            query = query.where(has_words(self._store, search, ACCOUNT_WORDS, AccountRecord.id))
        if after is not None:
            query = query.where(AccountRecord.id > after)
        return self._read(query.order_by(AccountRecord.id), AccountRecord.to_account, size)

    def read_events(
        self, *, after: int | None = None, size: int = 50, **wanted: str | None
    ) -> Piece[AuditEvent]:
        """Return events of the audit trail, the newest first.

        :param after: The number behind which to begin.
        :param wanted: Columns that must have a value: *action*, *tenant_id*.
        """
        query = _only(select(AuditRecord), AuditRecord, wanted)
        if after is not None:
            query = query.where(AuditRecord.number < after)
        return self._read(query.order_by(AuditRecord.number.desc()), AuditRecord.to_event, size)

    def read_front_pages(
        self, *, after: int | None = None, size: int = 50
    ) -> Piece[FrontPageRevision]:
        """Return revisions of the front page, the newest first.

        :param after: The number behind which to begin.
        """
        query = select(FrontPageRecord)
        if after is not None:
            query = query.where(FrontPageRecord.revision < min(after, 2**31 - 1))  # as it holds
        query = query.order_by(FrontPageRecord.revision.desc())
        return self._read(query, FrontPageRecord.to_revision, size)

    def _read(self, query: Select[tuple[R]], convert: Callable[[R], T], size: int) -> Piece[T]:
        with self._store.reading() as session:
            rows = session.scalars(query.limit(size + 1)).all()
            return Piece(tuple(convert(row) for row in rows[:size]), len(rows) > size)


def _only(query: Select[Any], table: Any, wanted: dict[str, str | None]) -> Select[Any]:
    """Return the query for rows that have these values; ``None`` stands for any."""
    for name, value in wanted.items():
        if value is not None:
            query = query.where(_is(getattr(table, name), value))
    return query


def _is(column: Any, value: str) -> ColumnElement[bool]:
    """Return the condition that a column has this value: PostgreSQL refuses to be asked for a NUL."""
    condition: ColumnElement[bool] = column == value
    return false() if "\0" in value else condition
