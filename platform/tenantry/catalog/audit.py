"""The audit trail: append, list and verify events."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from tenantry.catalog.audit_chain import verify_chain, verify_end
from tenantry.catalog.models import AuditRecord
from tenantry.errors import AuditAnchorError, AuditTrailError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, AuditCheck, AuditEvent, AuditPoint, Page


class Audit:
    """The append-only trail of control actions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(
        self,
        action: str,
        *,
        tenant_id: str | None = None,
        detail: Mapping[str, Any] | None = None,
        by: Actor,
    ) -> None:
        """Append an action that changed nothing in the catalog itself."""
        with self._store.writing(by) as writer:
            writer.audit(action, tenant=tenant_id, detail=detail)

    def list(
        self,
        *,
        tenant_id: str | None = None,
        action: str | None = None,
        page: int = 1,
        size: int = 50,
    ) -> Page[AuditEvent]:
        """Return one page of the trail, newest first; of one tenant or action, or all."""
        query = select(AuditRecord)
        if tenant_id is not None:
            query = query.where(AuditRecord.tenant_id == tenant_id)
        if action is not None:
            query = query.where(AuditRecord.action == action)
        return self._store.read_page(
            query, AuditRecord.number.desc(), convert=AuditRecord.to_event, page=page, size=size
        )

    def verify(self, *, known: AuditPoint | None = None) -> AuditCheck:
        """Follow the chain from the first event to the head, and compare it with the anchor.

        :param known: An event that was noted elsewhere: it must be there, too.
        """
        anchor, damage = self._read_anchor()  # before the events: it only goes forward
        with self._snapshot() as connection:
            found = verify_chain(connection, [point for point in (known, anchor) if point])
        return replace(found, anchor=anchor, problem=found.problem or damage)

    def verify_end(self) -> AuditCheck:
        """Compare only the newest event with the head and the anchor, which takes no time."""
        anchor, damage = self._read_anchor()
        with self._snapshot() as connection:
            found = verify_end(connection, [anchor] if anchor else [])
        return replace(found, anchor=anchor, problem=found.problem or damage)

    def accept(self, reason: str, *, by: Actor) -> AuditCheck:
        """Put the anchor at the newest event although it has seen others, and leave a note of that.

        It is for a catalog that was restored from an older backup.

        :raises AuditTrailError: The chain itself is broken, or the catalog has no anchor.
        """
        if self._store.anchor is None:
            raise AuditTrailError("This catalog has no anchor.")
        with self._snapshot() as connection:
            found = verify_chain(connection, [])
        if found.problem:
            raise AuditTrailError(found.problem)
        before, _ = self._read_anchor()
        detail = {
            "reason": reason,
            "newest": found.newest.number,
            "anchor": before.number if before is not None else None,
        }
        self.record("audit.accept", detail=detail, by=by)
        self._store.anchor.put(self.verify_end().newest)
        return self.verify()

    def follow_anchor(self) -> None:
        """Bring the anchor up to the newest event; one that does not exist is made."""
        self._store.follow_anchor()

    def _read_anchor(self) -> tuple[AuditPoint | None, str]:
        """Return the anchor, and why it cannot be read."""
        anchor = self._store.anchor
        if anchor is None:
            return None, ""
        try:
            return anchor.read(), ""
        except AuditAnchorError as error:
            return None, str(error)
        except OSError as error:
            return None, f"The audit trail's anchor {anchor.path} cannot be read: {error.strerror}."

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Yield a connection on which all queries see the catalog at one moment."""
        with self._store.connection() as connection:
            # SQLite's transactions are so by themselves.
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
