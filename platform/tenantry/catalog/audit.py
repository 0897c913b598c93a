"""Reading and checking the audit trail."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, select

from tenantry.catalog.models import AuditRecord, Head, TenantRecord
from tenantry.catalog.store import GENESIS, Store, audit_hash
from tenantry.catalog.values import Actor, AuditCheck, AuditEvent, AuditPoint, Page
from tenantry.errors import AuditAnchorError, AuditTrailError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection, Table

_events = cast("Table", AuditRecord.__table__)

START = AuditPoint(0, GENESIS)
"""Before the first event."""

_BROKEN = (
    "Event {} of the audit trail does not follow from the one before it: one of both was changed, or "
    "events between them were removed or added."
)
_NOT_SEEN = (
    "Event {} of the audit trail is not the one that was seen before: the trail was written anew from "
    "some event on, or the catalog was restored from an older backup."
)
_CUT = (
    "The audit trail ends at event {}, and event {} was seen before: the newest events were removed, "
    "or the catalog was restored from an older backup."
)
_HEADLESS = (
    "The audit trail ends at event {}, and its head does not: the newest events were removed."
)


class Audit(Store):
    """The append-only trail of control actions."""

    def record(
        self,
        action: str,
        *,
        tenant_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
        by: Actor,
    ) -> None:
        """Append an action that changed nothing in the catalog itself."""
        with self.writing(by) as writer:
            tenant = writer.session.get(TenantRecord, tenant_id) if tenant_id else None
            writer.audit(action, tenant=tenant, detail=detail)

    def list_audit(
        self, *, tenant_id: str | None = None, page: int = 1, size: int = 50
    ) -> Page[AuditEvent]:
        """Return one page of the trail, newest first; of one tenant, or all."""
        query = select(AuditRecord)
        if tenant_id is not None:
            query = query.where(AuditRecord.tenant_id == tenant_id)
        with self.reading() as session:
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            number = min(max(1, page), max(1, -(-total // size)))
            rows = session.scalars(
                query.order_by(AuditRecord.number.desc()).limit(size).offset((number - 1) * size)
            )
            return Page(tuple(record.to_event() for record in rows), total, number, size)

    def check_audit(self) -> int | None:
        """Return the number of the first event that is wrong or missing, or ``None``."""
        return self.verify_audit().first_bad

    def verify_audit(self, *, known: AuditPoint | None = None) -> AuditCheck:
        """Follow the chain from the first event to the head, and compare it with the anchor.

        :param known: An event that was noted elsewhere: it must be there, too.
        """
        anchor, damage = self._read_anchor()  # before the events: it only goes forward
        seen = [point for point in (known, anchor) if point is not None]
        found = self._follow_chain(seen)
        return replace(found, anchor=anchor, problem=found.problem or damage)

    def glance_at_audit(self) -> AuditCheck:
        """Look at the end of the trail only: the newest event, the head and the anchor."""
        anchor, damage = self._read_anchor()
        last = select(_events.c.number, _events.c.hash).order_by(_events.c.number.desc())
        with self._snapshot() as connection:
            row = connection.execute(last.limit(1)).one_or_none()
            newest = AuditPoint(row.number, row.hash) if row is not None else START
            there = None
            if anchor is not None and anchor.number <= newest.number:
                query = select(_events.c.hash).where(_events.c.number == anchor.number)
                there = connection.scalar(query)
            head = connection.scalar(select(Head.audit_hash))
        if anchor is not None and anchor.number <= newest.number and there != anchor.hash:
            return AuditCheck(newest, anchor, 0, anchor.number, _NOT_SEEN.format(anchor.number))
        found = _check_end(newest, 0, head, [anchor] if anchor is not None else [])
        return replace(found, anchor=anchor, problem=found.problem or damage)

    def accept_audit(self, reason: str, *, by: Actor) -> AuditCheck:
        """Put the anchor at the newest event although it has seen others, and leave a note of that.

        It is for a catalog that was restored from an older backup.

        :raises AuditTrailError: The chain itself is broken, or the catalog has no anchor.
        """
        if self.anchor is None:
            raise AuditTrailError("This catalog has no anchor.")
        found = self._follow_chain([])
        if found.problem:
            raise AuditTrailError(found.problem)
        before, _ = self._read_anchor()
        detail = {
            "reason": reason,
            "newest": found.newest.number,
            "anchor": before.number if before is not None else None,
        }
        self.record("audit.accept", detail=detail, by=by)
        self.anchor.put(self.glance_at_audit().newest)
        return self.verify_audit()

    def _follow_chain(self, seen: Sequence[AuditPoint]) -> AuditCheck:
        """Follow the chain to its end, past the events that were *seen*."""
        waiting = sorted(seen, key=lambda point: point.number, reverse=True)
        newest, checked = START, 0
        query = select(_events).order_by(_events.c.number).execution_options(yield_per=1000)
        with self._snapshot() as connection:
            with closing(connection.execute(query)) as events:
                for event in events:
                    point = AuditPoint(event.number, event.hash)
                    if audit_hash(newest.hash, event) != event.hash:
                        problem = _BROKEN.format(point.number)
                        return AuditCheck(newest, None, checked, point.number, problem)
                    # A number can be missing: PostgreSQL gives none away twice.
                    while waiting and waiting[-1].number <= point.number:
                        if (wanted := waiting.pop()) != point:
                            problem = _NOT_SEEN.format(wanted.number)
                            return AuditCheck(newest, None, checked, wanted.number, problem)
                    newest, checked = point, checked + 1
            head = connection.scalar(select(Head.audit_hash))
        return _check_end(newest, checked, head, seen)

    def _read_anchor(self) -> tuple[AuditPoint | None, str]:
        """Return the anchor, and why it cannot be read."""
        if self.anchor is None:
            return None, ""
        try:
            return self.anchor.read(), ""
        except AuditAnchorError as error:
            return None, str(error)
        except OSError as error:
            return (
                None,
                f"The audit trail's anchor {self.anchor.path} cannot be read: {error.strerror}.",
            )

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Yield a connection on which all queries see the catalog at one moment."""
        with self.asking() as connection:
            if (
                connection.dialect.name == "postgresql"
            ):  # SQLite's transactions are so by themselves
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection


def _check_end(
    newest: AuditPoint, checked: int, head: str | None, seen: Iterable[AuditPoint]
) -> AuditCheck:
    """Say whether the trail goes as far as its head, and as what was *seen* of it."""
    following = newest.number + 1
    farthest = max((point.number for point in seen), default=0)
    if farthest > newest.number:
        problem = _CUT.format(newest.number, farthest)
        return AuditCheck(newest, None, checked, following, problem)
    if head != newest.hash:
        return AuditCheck(newest, None, checked, following, _HEADLESS.format(newest.number))
    return AuditCheck(newest, None, checked)
