"""Keeps the words by which tenants and accounts are found, in the transaction that changes a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    Table,
    bindparam,
    delete,
    event,
    false,
    insert,
    inspect,
    select,
    true,
    union_all,
)

from tenantry.catalog.models import (
    AccountRecord,
    AccountWordRecord,
    ChangeRecord,
    FormerSlugRecord,
    HostRecord,
    MembershipRecord,
    TenantRecord,
    TenantWordRecord,
)
from tenantry.values.search_terms import find_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Connection
    from sqlalchemy.orm import Mapper

BATCH = 500
"""Tenants or accounts whose words one statement reads."""

_tenants, _hosts, _former, _members, _accounts, _changes = (
    cast("Table", record.__table__)
    for record in (
        TenantRecord,
        HostRecord,
        FormerSlugRecord,
        MembershipRecord,
        AccountRecord,
        ChangeRecord,
    )
)
_tenant_words = cast("Table", TenantWordRecord.__table__)
_account_words = cast("Table", AccountWordRecord.__table__)

_IDS: Any = bindparam("ids", expanding=True)
_TEXTS = union_all(
    select(_tenants.c.id, true(), _tenants.c.slug).where(_tenants.c.id.in_(_IDS)),
    select(_tenants.c.id, true(), _tenants.c.name).where(_tenants.c.id.in_(_IDS)),
    select(_hosts.c.tenant_id, false(), _hosts.c.name).where(_hosts.c.tenant_id.in_(_IDS)),
    select(_former.c.tenant_id, false(), _former.c.slug).where(_former.c.tenant_id.in_(_IDS)),
    select(_members.c.tenant_id, false(), _accounts.c.email + " " + _accounts.c.name)
    .join_from(_members, _accounts)
    .where(_members.c.tenant_id.in_(_IDS)),
)
_KEPT = select(_tenant_words.c.tenant_id, _tenant_words.c.is_public, _tenant_words.c.word).where(
    _tenant_words.c.tenant_id.in_(_IDS)
)
_ADD, _ADD_OF_ACCOUNT = insert(_tenant_words), insert(_account_words)
_REMOVE = delete(_tenant_words).where(
    _tenant_words.c.tenant_id == bindparam("its_tenant"),
    _tenant_words.c.is_public == bindparam("its_kind"),
    _tenant_words.c.word == bindparam("its_word"),
)
_REMOVE_OF_ACCOUNT = delete(_account_words).where(_account_words.c.account_id == bindparam("its"))
_CHANGED = (
    select(_changes.c.epoch, _changes.c.tenant_id)
    .where(_changes.c.epoch > bindparam("after"), _changes.c.epoch <= bindparam("until"))
    .order_by(_changes.c.epoch)
    .limit(BATCH)
)


def refresh_words(connection: Connection, tenant_ids: Iterable[str]) -> None:
    """Bring the words of tenants in line with their names; those of one that is gone are gone."""
    for ids in _in_batches(tenant_ids):
        public: set[tuple[str, str]] = set()
        inside: set[tuple[str, str]] = set()
        for tenant_id, is_public, text in connection.execute(_TEXTS, {"ids": ids}):
            words = {(tenant_id, word) for word in find_words(text)}
            (public if is_public else inside).update(words)
        wanted = {(tenant_id, True, word) for tenant_id, word in public}
        wanted |= {(tenant_id, False, word) for tenant_id, word in inside - public}
        kept = {tuple(row) for row in connection.execute(_KEPT, {"ids": ids})}
        if gone := sorted(kept - wanted):
            names = ("its_tenant", "its_kind", "its_word")
            connection.execute(_REMOVE, [dict(zip(names, row, strict=True)) for row in gone])
        if new := sorted(wanted - kept):
            names = ("tenant_id", "is_public", "word")
            connection.execute(_ADD, [dict(zip(names, row, strict=True)) for row in new])


def catch_up(connection: Connection, *, after: int, until: int) -> int:
    """Refresh the words of tenants that a node of an older release has changed, the first few.

    It writes names, but no words.

    :param after: The change up to which the words are right.
    :param until: The newest change.
    :return: Up to which change they are right now.
    """
    if after >= until:
        return after
    rows = connection.execute(_CHANGED, {"after": after, "until": until}).all()
    refresh_words(connection, {tenant_id for _epoch, tenant_id in rows})
    return int(rows[-1].epoch) if len(rows) == BATCH else until


def rebuild_words(connection: Connection) -> None:
    """Make the words of all tenants and accounts that have none yet."""
    without = (
        ~select(_tenant_words.c.word).where(_tenant_words.c.tenant_id == _tenants.c.id).exists()
    )
    refresh_words(connection, connection.scalars(select(_tenants.c.id).where(without)).all())
    add_people(connection, find_people(connection))


def find_people(connection: Connection) -> Sequence[Any]:
    """Return the accounts that have no words: id, address and name."""
    words = select(_account_words.c.word).where(_account_words.c.account_id == _accounts.c.id)
    people = select(_accounts.c.id, _accounts.c.email, _accounts.c.name).where(~words.exists())
    return connection.execute(people).all()


def add_people(connection: Connection, people: Iterable[Any]) -> None:
    """Make the words of accounts that have none."""
    for rows in _in_batches(people):
        words = [word for row in rows for word in _words_of(*row)]
        if words:
            connection.execute(_ADD_OF_ACCOUNT, words)


@event.listens_for(AccountRecord, "after_insert")
def _add(_mapper: Mapper[AccountRecord], connection: Connection, record: AccountRecord) -> None:
    if words := _words_of(record.id, record.email, record.name):
        connection.execute(_ADD_OF_ACCOUNT, words)


@event.listens_for(AccountRecord, "after_update")
def _replace(mapper: Mapper[AccountRecord], connection: Connection, record: AccountRecord) -> None:
    state = inspect(record).attrs
    if not (state.email.history.has_changes() or state.name.history.has_changes()):
        return
    connection.execute(_REMOVE_OF_ACCOUNT, {"its": record.id})
    _add(mapper, connection, record)
    its = select(_members.c.tenant_id).where(_members.c.account_id == record.id)
    refresh_words(connection, connection.scalars(its).all())


def _words_of(account_id: str, email: str, name: str) -> list[dict[str, str]]:
    return [
        {"account_id": account_id, "word": word} for word in sorted(find_words(email, name or ""))
    ]


def _in_batches(items: Iterable[Any]) -> Iterator[Sequence[Any]]:
    found = list(items)
    for first in range(0, len(found), BATCH):
        yield found[first : first + BATCH]
