"""What the console's tables show: tenants, accounts and events, filtered, sorted, in pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.models import AccountRecord, AuditRecord, TenantRecord
from tenantry.catalog.slices import Order, read_slice
from tenantry.catalog.text import contains
from tenantry.catalog.word_search import ACCOUNT_WORDS, has_words, matches_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement

    from tenantry.catalog.slices import Slice
    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Account, AuditEvent, TenantRow
    from tenantry.values.tenant import TenantState

TENANT_SORTS = {
    "slug": TenantRecord.slug,
    "name": TenantRecord.name,
    "state": TenantRecord.state,
    "plan": TenantRecord.plan,
    "created_at": TenantRecord.created_at,
}
ACCOUNT_SORTS = {"email": AccountRecord.email, "created_at": AccountRecord.created_at}

FACETS = {
    "plan": TenantRecord.plan,
    "placement": TenantRecord.placement,
    "schema_revision": TenantRecord.schema_revision,
}
MOST_VALUES = 30
"""Values of a column that can be chosen from."""
PART = 500
"""Tenants that are read at once where all are gone through."""


@dataclass(frozen=True, slots=True)
class TenantFilter:
    """Which tenants; what is empty lets all through."""

    search: str = ""
    """Beginnings of words of the address, now or before, the name, hosts, the people; or the id."""
    state: TenantState | None = None
    plan: str = ""
    placement: str = ""
    schema: str = ""
    """The revision of its database's schema."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events of the audit trail; what is empty lets all through."""

    tenant_id: str = ""
    action: str = ""
    """An action, or its first part, as ``tenant``."""
    actor: str = ""
    """Part of the actor."""


class Listings:
    """The catalog's long lists. Each page costs the same, however long the list is."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def tenants(
        self, which: TenantFilter, *, sort: str = "slug", cursor: str = "", size: int = 50
    ) -> Slice[TenantRow]:
        """Return a page of tenants.

        :param sort: A key of :data:`TENANT_SORTS`, with ``-`` in front for descending; else by slug.
        :param cursor: Where the page begins or ends, from another :class:`Slice`.
        """
        query = select(TenantRecord).where(*tenant_conditions(self._store, which))
        column = TENANT_SORTS.get(sort.removeprefix("-"), TenantRecord.slug)
        order = Order((column, TenantRecord.id), sort.startswith("-"))
        return read_slice(
            self._store, query, order, convert=TenantRecord.to_row, cursor=cursor, size=size
        )

    def each_tenant(self, which: TenantFilter) -> Iterator[TenantRow]:
        """Yield tenants by slug, read in parts: what is done with each may take its time."""
        cursor = ""
        while True:
            part = self.tenants(which, cursor=cursor, size=PART)
            yield from part.items
            if not (cursor := part.following):
                return

    def find_values(self, column: str) -> tuple[str, ...]:
        """Return the values that tenants have in a column that has an index, the first few.

        :param column: ``plan``, ``placement`` or ``schema_revision``.
        """
        found = self._store.list_distinct(FACETS[column], most=MOST_VALUES)
        return tuple(value for value in found if value)

    def accounts(
        self, *, search: str = "", sort: str = "email", cursor: str = "", size: int = 50
    ) -> Slice[Account]:
        """Return a page of accounts that have the words of *search* in their e-mail or name.

        :param sort: A key of :data:`ACCOUNT_SORTS`, with ``-`` in front for descending.
        """
        query = select(AccountRecord)
        if search:
            query = query.where(has_words(self._store, search, ACCOUNT_WORDS, AccountRecord.id))
        column = ACCOUNT_SORTS.get(sort.removeprefix("-"), AccountRecord.email)
        order = Order((column, AccountRecord.id), sort.startswith("-"))
        return read_slice(
            self._store, query, order, convert=AccountRecord.to_account, cursor=cursor, size=size
        )

    def events(self, which: EventFilter, *, cursor: str = "", size: int = 50) -> Slice[AuditEvent]:
        """Return a page of the audit trail, newest first."""
        query = select(AuditRecord).where(*_event_conditions(which))
        order = Order((AuditRecord.number,), descending=True)
        return read_slice(
            self._store, query, order, convert=AuditRecord.to_event, cursor=cursor, size=size
        )


def tenant_conditions(store: Store, which: TenantFilter) -> list[ColumnElement[bool]]:
    """Return what a filter asks of a tenant."""
    columns = {
        TenantRecord.state: which.state,
        TenantRecord.plan: which.plan,
        TenantRecord.placement: which.placement,
        TenantRecord.schema_revision: which.schema,
    }
    found: list[ColumnElement[bool]] = [
        column == wanted for column, wanted in columns.items() if wanted
    ]
    if which.search:
        found.append(matches_tenant(store, which.search))
    return found


def _event_conditions(which: EventFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.tenant_id:
        found.append(AuditRecord.tenant_id == which.tenant_id)
    if which.action:
        exact = AuditRecord.action == which.action
        found.append(exact | AuditRecord.action.startswith(f"{which.action}.", autoescape=True))
    if which.actor:
        found.append(contains(which.actor, AuditRecord.actor))
    return found
