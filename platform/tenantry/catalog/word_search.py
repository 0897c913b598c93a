"""Search by the words of names: each is found as a range of an index, however many things there are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, exists, false, func, select

from tenantry.catalog.models import AccountWordRecord, TenantRecord, TenantWordRecord
from tenantry.values.search_terms import wanted_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from tenantry.catalog.store import Store

FEW = 10_000
"""A word that so few have is looked up; whether a thing has a more frequent one is checked."""
_ID = re.compile("[0-9a-f]{32}", re.IGNORECASE)
LAST = "\U0010ffff"
"""Stands behind every character that a word can go on with."""


class WordTable(NamedTuple):
    """Where the words of a kind of things are."""

    word: Any
    """The column of the words."""
    owner_id: Any
    """The column that says whose word it is."""
    among: Sequence[ColumnElement[bool]] = ()
    """Which of the table's rows count."""


# The key begins with this column: a range of words is one only within its values.
_public = TenantWordRecord.is_public
_TENANT_WORDS = WordTable(
    TenantWordRecord.word, TenantWordRecord.tenant_id, (_public.in_((True, False)),)
)
"""Words of slugs, now and before, names, hosts, and the people of a tenant."""
PUBLIC_WORDS = WordTable(TenantWordRecord.word, TenantWordRecord.tenant_id, (_public.is_(True),))
"""Words of slugs and names."""
ACCOUNT_WORDS = WordTable(AccountWordRecord.word, AccountWordRecord.account_id)


def matches_tenant(store: Store, search: str) -> ColumnElement[bool]:
    """Return a condition: *search* is a tenant's whole id, or it has the words of it."""
    if _ID.fullmatch(search):
        return TenantRecord.id == search.lower()
    return has_words(store, search, _TENANT_WORDS, TenantRecord.id)


def has_words(store: Store, search: str, table: WordTable, record_id: Any) -> ColumnElement[bool]:
    """Return a condition: for each word of *search*, the thing has one that begins with it.

    :param record_id: The column with the thing's id.
    """
    ranges = [
        and_(*table.among, table.word >= wanted, table.word < wanted + LAST)
        for wanted in wanted_words(search)
    ]
    if not ranges:
        return false()
    counts = _count(store, table, ranges)
    rarest = counts.index(min(counts))
    conditions: list[ColumnElement[bool]] = [
        exists().where(table.owner_id == record_id, within) for within in ranges
    ]
    if counts[rarest] <= FEW:
        # Some databases do not know how few these are, and would read every thing to check it.
        conditions[rarest] = record_id.in_(select(table.owner_id).where(ranges[rarest]))
    return and_(*conditions)


def _count(store: Store, table: WordTable, ranges: Sequence[ColumnElement[bool]]) -> list[int]:
    """Return how many rows lie in each range, up to :data:`FEW` and one more."""
    rows = [select(table.owner_id).where(within).limit(FEW + 1).subquery() for within in ranges]
    counts = [select(func.count()).select_from(some).scalar_subquery() for some in rows]
    with store.connection() as connection:
        return list(connection.execute(select(*counts)).one())
