"""What every part of the catalog stands on: short transactions, changes and audit rows."""

from __future__ import annotations

import hashlib
import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from tenantry.catalog.engine import WRITE, unavailable
from tenantry.catalog.listener import CHANNEL
from tenantry.catalog.models import AuditRecord, ChangeRecord, Head, TenantRecord, now
from tenantry.catalog.values import AuditPoint
from tenantry.errors import AuditAnchorError, CatalogUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Engine, Row

    from tenantry.catalog.anchor import AuditAnchor
    from tenantry.catalog.signal import ChangeSignal
    from tenantry.catalog.values import Actor

log = logging.getLogger(__name__)

# Each write does these. Made once, and of tables instead of records, they cost a third of the time.
_heads, _changes, _events, _tenants = (
    cast("Table", record.__table__) for record in (Head, ChangeRecord, AuditRecord, TenantRecord)
)
_LOCK_HEAD = (
    update(_heads).values(epoch=_heads.c.epoch).returning(_heads.c.epoch, _heads.c.audit_hash)
)
_MOVE_HEAD = update(_heads).values(epoch=bindparam("reached"), audit_hash=bindparam("chained"))
_RENEW = (
    update(_tenants)
    .where(_tenants.c.id == bindparam("renewed"))
    .values(revision=_tenants.c.revision + 1)
)
_ADD_CHANGES, _ADD_EVENT = insert(_changes), insert(_events)

GENESIS = "0" * 64
"""The hash before the first event."""

FOLLOWED = 1000
"""Events that one write follows at most to bring the anchor up; the next write goes on."""

KEPT_CHANGES = 20_000
"""Changes kept for workers that were away; a longer absence means starting from nothing."""


class Store:
    """Short transactions on the catalog's engine.

    :param domain: The platform's domain; nobody can claim a host under it.
    :param backend_host: The operators' own host, if there is one; nobody can claim that either.
    :param signal: Told of each commit that changed a tenant.
    :param anchor: Told of each commit that wrote to the audit trail.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        domain: str,
        signal: ChangeSignal,
        backend_host: str = "",
        anchor: AuditAnchor | None = None,
    ) -> None:
        self.engine = engine
        self.domain = domain
        self.backend_host = backend_host
        self.signal = signal
        self.anchor = anchor

    def close(self) -> None:
        """Close the idle connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with _translated(), Session(self.engine) as session:
            yield session

    @contextmanager
    def asking(self, **options: Any) -> Iterator[Connection]:
        """Like :meth:`reading`, without the ORM: for what must be fast.

        :param options: Execution options of the connection.
        """
        with _translated(), self.engine.connect().execution_options(**options) as connection:
            yield connection

    @contextmanager
    def writing(self, by: Actor) -> Iterator[Writer]:
        """Run one transaction; afterwards tell this node's workers what changed."""
        with _translated(), Session(self.engine, expire_on_commit=False) as session:
            session.connection(execution_options=WRITE)
            writer = Writer(session, by)
            yield writer
            session.flush()
            epoch = writer.finish()
            session.commit()
        if epoch:
            self.signal.announce(epoch)
        if self.anchor is not None and writer.reached is not None:
            self._move_anchor(self.anchor, writer.found_hash, writer.reached)

    def follow_anchor(self) -> None:
        """Bring the anchor up to the newest event, along the chain; one that is broken holds it.

        Its trouble stops nobody: `tenantry audit verify` and the doctor tell of it.
        """
        if self.anchor is not None:
            with _noting_trouble():
                self._follow(self.anchor)

    def _move_anchor(self, anchor: AuditAnchor, before: str, reached: AuditPoint) -> None:
        """Let the anchor see what was just committed after the event with the hash *before*."""
        with _noting_trouble():
            found = anchor.read()
            if before == (GENESIS if found is None else found.hash):
                anchor.advance(found, reached)
            else:  # others have written meanwhile, here or on other nodes
                self._follow(anchor)

    def _follow(self, anchor: AuditAnchor) -> None:
        found = anchor.read()
        if found is None:  # the newest event is believed: nothing was ever said about the others
            query = select(_events).order_by(_events.c.number.desc()).limit(1)
        else:
            query = select(_events).where(_events.c.number >= found.number)
            query = query.order_by(_events.c.number).limit(FOLLOWED)
        with self.asking() as connection:
            events = connection.execute(query).all()
        if found is None:
            if events:
                log.warning(
                    "the audit trail has no anchor: it begins at event %s", events[0].number
                )
                anchor.advance(None, AuditPoint(events[0].number, events[0].hash))
            return
        if not events or events[0].hash != found.hash:
            log.error("audit event %s is gone: run `tenantry audit verify`", found.number)
            return
        reached = found
        for event in events[1:]:
            if audit_hash(reached.hash, event) != event.hash:
                log.error("audit event %s is wrong: run `tenantry audit verify`", event.number)
                break
            reached = AuditPoint(event.number, event.hash)
        if reached != found:
            anchor.advance(found, reached)


class Writer:
    """One writing transaction. It holds the head's row lock from its first statement on."""

    def __init__(self, session: Session, by: Actor) -> None:
        self.session = session
        self.by = by
        self._changed: dict[str, None] = {}
        # Locks the row on PostgreSQL; SQLite's BEGIN IMMEDIATE has locked everything already.
        self._connection = session.connection()
        self._epoch, self._hash = self._connection.execute(_LOCK_HEAD).one()
        self.found_hash = self._hash
        self.reached: AuditPoint | None = None
        """The newest event of this transaction."""

    def changed(self, record: TenantRecord) -> None:
        """Note that this tenant is another one now: every instance of it is stale."""
        if record.id not in self._changed:
            self._changed[record.id] = None
            record.revision = (record.revision or 0) + 1

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
        tenant: TenantRecord | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Append to the audit trail."""
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
        self._hash = record.hash = audit_hash(self._hash, record)
        names = [column.key for column in _events.columns if column.key != "number"]
        added = self._connection.execute(
            _ADD_EVENT, {name: getattr(record, name) for name in names}
        )
        assert added.inserted_primary_key is not None  # it is, for one row
        self.reached = AuditPoint(added.inserted_primary_key[0], record.hash)

    def finish(self) -> int:
        """Number the changes and move the head on; return the new epoch, 0 if no tenant changed."""
        first = self._epoch
        changes = [
            {"epoch": number, "tenant_id": tenant_id}
            for number, tenant_id in enumerate(self._changed, first + 1)
        ]
        if changes:
            self._epoch = changes[-1]["epoch"]
            self._connection.execute(_ADD_CHANGES, changes)
        self._connection.execute(_MOVE_HEAD, {"reached": self._epoch, "chained": self._hash})
        if self._epoch // 1000 > first // 1000:
            oldest = self._epoch - KEPT_CHANGES
            self._connection.execute(delete(_changes).where(_changes.c.epoch < oldest))
        if not self._changed:
            return 0
        if self.session.get_bind().dialect.name == "postgresql":
            # Sent at commit; it wakes the other nodes.
            self._connection.execute(select(func.pg_notify(CHANNEL, "")))
        return int(self._epoch)


def audit_hash(previous: str, record: AuditRecord | Row[Any]) -> str:
    """Return the hash that chains *record* to the one before."""
    content = [
        previous,
        record.at.isoformat(),
        record.actor_kind,
        record.actor,
        record.account_id,
        record.action,
        record.tenant_id,
        record.tenant_slug,
        record.detail,
        record.ip,
        record.request_id,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@contextmanager
def _noting_trouble() -> Iterator[None]:
    """Log what keeps the anchor from following: what was committed is done all the same."""
    try:
        yield
    except (OSError, AuditAnchorError, CatalogUnavailableError) as error:
        log.warning("the audit trail's anchor stays behind: %s", error)


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the database's failures, not our refusals, into one error."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, PoolTimeoutError) as error:
        raise unavailable(error) from error
