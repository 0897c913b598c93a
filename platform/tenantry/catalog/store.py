"""The catalog's store: short transactions that number changes and write audit events."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tenantry.catalog.audit_chain import GENESIS, chain, follow_anchor
from tenantry.catalog.clock import CatalogClock
from tenantry.catalog.engine import WRITE, open_engine, unavailable
from tenantry.catalog.listener import CHANNEL
from tenantry.catalog.lock_tokens import check_tokens
from tenantry.catalog.lookup import Lookup
from tenantry.catalog.models import (
    AccountRecord,
    AuditRecord,
    ChangeRecord,
    Head,
    TenantRecord,
    now,
)
from tenantry.catalog.preconditions import check_revision
from tenantry.catalog.values import AuditPoint, Page
from tenantry.catalog.wake_pipe import WakePipe
from tenantry.catalog.webhook_messages import add_deliveries, make_message
from tenantry.catalog.word_index import catch_up, refresh_words
from tenantry.databases.platform_classes import PlatformSession
from tenantry.errors import (
    AccountNotFoundError,
    AuditAnchorError,
    CatalogUnavailableError,
    TenantNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select
    from sqlalchemy.orm import Session

    from tenantry.catalog.anchor import AuditAnchor
    from tenantry.catalog.signal import ChangeSignal
    from tenantry.catalog.values import Actor
    from tenantry.catalog.webhook_messages import Message

R = TypeVar("R")
T = TypeVar("T")

log = logging.getLogger(__name__)

# Each write does these. Made once, and of tables instead of records, they cost a third of the time.
_heads, _changes, _events, _tenants = (
    cast("Table", record.__table__) for record in (Head, ChangeRecord, AuditRecord, TenantRecord)
)
_LOCK_HEAD = (
    update(_heads)
    .values(epoch=_heads.c.epoch)
    .returning(_heads.c.epoch, _heads.c.audit_hash, _heads.c.words_epoch)
)
_ADVANCE_HEAD = update(_heads).values(
    epoch=bindparam("reached"), audit_hash=bindparam("chained"), words_epoch=bindparam("found_by")
)
_RENEW = (
    update(_tenants)
    .where(_tenants.c.id == bindparam("renewed"))
    .values(revision=_tenants.c.revision + 1)
)
_ADD_CHANGES, _ADD_EVENT = insert(_changes), insert(_events)

PLATFORM_CHANGE = ""
"""Stands for a tenant's id where none has changed, but something of the platform's."""

KEPT_CHANGES = 20_000
"""Changes kept for workers that were away; a longer absence means starting from nothing."""


class Store:
    """Short transactions on the catalog's database, which is connected to at first use.

    :param url: The database.
    :param signal: Told of each commit that changed a tenant.
    :param anchor: Told of each commit that wrote to the audit trail.
    """

    def __init__(
        self, url: str, *, signal: ChangeSignal, anchor: AuditAnchor | None = None
    ) -> None:
        self.engine = open_engine(url)
        self._clock = CatalogClock(self.engine)
        self.signal = signal
        self.jobs_pipe = WakePipe(signal.path.with_name("jobs"))
        self.anchor = anchor
        self._lookups: dict[Select[Any], Lookup] = {}

    def clock(self, connection: Connection | None = None) -> datetime:
        """Return the time by which nodes agree on leases and due times.

        :param connection: One that is open anyway, if the server has to be asked.
        """
        with _translated():
            return self._clock(connection)

    def close(self) -> None:
        """Close the idle connections, and stop telling the node's workers."""
        self.engine.dispose()
        self.signal.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Run one transaction that writes nothing."""
        with _translated(), PlatformSession(self.engine) as session:
            yield session

    def read_page(
        self,
        query: Select[tuple[R]],
        *order: Any,
        convert: Callable[[R], T],
        page: int,
        size: int,
        most: int | None = None,
    ) -> Page[T]:
        """Return one page of what *query* finds; a number beyond the last page means the last.

        :param most: Rows that are counted, and that the pages show, at most.
        """
        counted = query.limit(None if most is None else most + 1).subquery()
        with self.reading() as session:
            found = session.scalar(select(func.count()).select_from(counted)) or 0
            total = found if most is None else min(found, most)
            number = min(max(1, page), max(1, -(-total // size)))
            rows = session.scalars(query.order_by(*order).limit(size).offset((number - 1) * size))
            items = tuple(convert(row) for row in rows)
            return Page(items, total, number, size, is_counted=found == total)

    def count_by(self, column: Any, *conditions: Any) -> dict[Any, int]:
        """Return how many rows have each value of a column; a value that none has is not there."""
        query = select(column, func.count()).where(*conditions).group_by(column).order_by(column)
        with self.reading() as session:
            return dict(session.execute(query).tuples().all())

    def list_distinct(self, column: Any, *, most: int | None = None) -> tuple[Any, ...]:
        """Return the values of an indexed column in order: one look-up for each, however many rows.

        :param most: Values that are looked for; by default all.
        """
        values: list[Any] = []
        query = select(func.min(column))
        with self.connection() as connection:
            while len(values) != most and (found := connection.scalar(query)) is not None:
                values.append(found)
                query = select(func.min(column)).where(column > found)
        return tuple(values)

    @contextmanager
    def connection(self, **options: Any) -> Iterator[Connection]:
        """Like :meth:`reading`, without the ORM: for what must be fast.

        :param options: Execution options of the connection.
        """
        with _translated(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    def fetch(self, query: Select[Any], key: str) -> Sequence[Any]:
        """Return the rows that a :class:`Lookup` finds, made of *query* when it is first asked."""
        lookup = self._lookups.get(query)
        if lookup is None:
            lookup = self._lookups[query] = Lookup(query, self.engine)
        with _translated():
            return lookup(key)

    @contextmanager
    def updating(self) -> Iterator[Connection]:
        """Run one transaction that changes no tenant and writes no audit event.

        It does not wait for the head's row, so jobs do not queue up behind control actions.
        """
        with self.connection(**WRITE) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def writing(self, by: Actor) -> Iterator[Writer]:
        """Run one transaction; afterwards tell this node's workers what changed."""
        with _translated(), PlatformSession(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options=WRITE)
            writer = Writer(session, by, self._clock)
            yield writer
            session.flush()
            epoch = writer.finish()
            if self.engine.dialect.name == "postgresql":
                check_tokens(session.connection())
            session.commit()
        if epoch:
            self.signal.announce(epoch)
        if writer.has_jobs:
            self.jobs_pipe.wake()
        if writer.reached is not None:
            self._advance_anchor(writer.found_hash, writer.reached)

    def follow_anchor(self) -> None:
        """Bring the anchor up to the newest event.

        Its trouble stops nobody: `tenantry audit verify` and the doctor tell of it.
        """
        if self.anchor is not None:
            with _noting_trouble(), self.connection() as connection:
                follow_anchor(connection, self.anchor)

    def _advance_anchor(self, before: str, reached: AuditPoint) -> None:
        """Let the anchor see what was just committed after the event with the hash *before*."""
        if self.anchor is None:
            return
        with _noting_trouble():
            found = self.anchor.read()
            if before == (GENESIS if found is None else found.hash):
                self.anchor.advance(found, reached)
            else:  # others have written meanwhile, here or on other nodes
                self.follow_anchor()


class Writer:
    """One writing transaction. It holds the head's row lock from its first statement on."""

    def __init__(self, session: Session, by: Actor, clock: CatalogClock) -> None:
        self.session = session
        self.by = by
        self._clock = clock
        self._changed: dict[str, None] = {}
        self._named: set[str] = set()
        # Locks the row on PostgreSQL; SQLite's BEGIN IMMEDIATE has locked everything already.
        self._connection = session.connection()
        self._epoch, self._hash, self._words_epoch = self._connection.execute(_LOCK_HEAD).one()
        self.found_hash = self._hash
        self.reached: AuditPoint | None = None
        """The newest event of this transaction."""
        self._messages: list[Message] = []
        self.has_jobs = False

    def get_tenant(self, tenant_id: str) -> TenantRecord:
        """Return the tenant's record, to be changed.

        :raises TenantNotFoundError: No tenant has the id.
        """
        record = self.session.get(TenantRecord, tenant_id, with_for_update=True)
        if record is None:
            raise TenantNotFoundError(tenant_id)
        check_revision(record)
        return record

    def get_account(self, account_id: str) -> AccountRecord:
        """Return the account's record.

        :raises AccountNotFoundError: No account has the id.
        """
        record = self.session.get(AccountRecord, account_id)
        if record is None:
            raise AccountNotFoundError(account_id)
        return record

    def changed(self, record: TenantRecord) -> None:
        """Note that this tenant is another one now: every instance of it is stale."""
        self._named.add(record.id)
        check_revision(record)
        if record.id not in self._changed:
            self._changed[record.id] = None
            record.revision = (record.revision or 0) + 1

    def change(
        self, record: TenantRecord, action: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Like :meth:`changed`, and append to the audit trail what was done."""
        self.changed(record)
        self.audit(action, tenant=record, detail=detail)

    def named(self, *tenant_ids: str) -> None:
        """Note that tenants are found by other words now, as by the name of one who works there."""
        self._named.update(tenant_ids)

    def platform_changed(self, action: str, detail: Mapping[str, Any]) -> None:
        """Note that something changed that is no tenant's, as the front page; and the audit event."""
        self._changed[PLATFORM_CHANGE] = None
        self.audit(action, detail=detail)

    def change_state(self, record: TenantRecord, state: str, **facts: str) -> None:
        """Let a tenant be in another state.

        :param facts: What else the audit trail keeps; empty ones are left out.
        """
        told = {name: fact for name, fact in facts.items() if fact}
        detail = {"before": record.state, "after": state, **told}
        record.state = state
        self.change(record, "tenant.state", detail)

    def renew(self, tenant_ids: Iterable[str]) -> None:
        """Like :meth:`changed`, for many tenants whose records nobody has."""
        new = [tenant_id for tenant_id in tenant_ids if tenant_id not in self._changed]
        if new:
            self._changed.update(dict.fromkeys(new))
            self._connection.execute(_RENEW, [{"renewed": tenant_id} for tenant_id in new])

    def audit(
        self,
        action: str,
        *,
        tenant: TenantRecord | str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Append to the audit trail.

        :param tenant: Its record or its id; one that is gone is left out.
        """
        if isinstance(tenant, str):
            tenant = self.session.get(TenantRecord, tenant)
        record = AuditRecord(
            at=now().replace(microsecond=0),
            actor_kind=self.by.kind,
            actor=self.by.label[:254],
            account_id=self.by.account_id,
            action=action,
            tenant_id=tenant.id if tenant else None,
            tenant_slug=tenant.slug if tenant else None,
            detail=dict(detail or {}),
            ip=self.by.ip,
            request_id=self.by.request_id,
        )
        self._hash = record.hash = chain(self._hash, record)
        names = [column.key for column in _events.columns if column.key != "number"]
        added = self._connection.execute(
            _ADD_EVENT, {name: getattr(record, name) for name in names}
        )
        assert added.inserted_primary_key is not None  # it is, for one row
        self.reached = AuditPoint(added.inserted_primary_key[0], record.hash)
        if message := make_message(record):
            self._messages.append(message)

    def finish(self) -> int:
        """Number the changes and advance the head; return the new epoch, 0 if no tenant changed."""
        first = self._epoch
        if self._messages:
            self.has_jobs = add_deliveries(self._connection, self._messages, self.by, self._clock)
        words = catch_up(self._connection, after=self._words_epoch, until=first)
        refresh_words(self._connection, self._named)
        changes = [
            {"epoch": number, "tenant_id": tenant_id}
            for number, tenant_id in enumerate(self._changed, first + 1)
        ]
        if changes:
            self._epoch = changes[-1]["epoch"]
            self._connection.execute(_ADD_CHANGES, changes)
        self._connection.execute(
            _ADVANCE_HEAD,
            {
                "reached": self._epoch,
                "chained": self._hash,
                "found_by": self._epoch if words == first else words,
            },
        )
        if self._epoch // 1000 > first // 1000:
            oldest = self._epoch - KEPT_CHANGES
            self._connection.execute(delete(_changes).where(_changes.c.epoch < oldest))
        if not self._changed:
            return 0
        if self.session.get_bind().dialect.name == "postgresql":
            # Sent at commit; it wakes the other nodes.
            self._connection.execute(select(func.pg_notify(CHANNEL, "")))
        return int(self._epoch)


@contextmanager
def _noting_trouble() -> Iterator[None]:
    """Log what keeps the anchor from following: what was committed is done all the same."""
    try:
        yield
    except (OSError, AuditAnchorError, CatalogUnavailableError) as error:
        log.warning("the audit trail's anchor could not be updated: %s", error)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the database's failures, not our refusals, into one error."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeoutError) as error:
        raise unavailable(error) from error
