"""Reading and checking the audit trail."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tenantry.catalog.models import AuditRecord, Head, TenantRecord
from tenantry.catalog.store import Store, audit_hash
from tenantry.catalog.values import Actor, AuditEvent, Page

if TYPE_CHECKING:
    from collections.abc import Mapping

GENESIS = "0" * 64
"""The hash before the first event."""


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
        """Return the number of the first event whose hash does not follow, or ``None``."""
        previous = GENESIS
        with self.reading() as session:
            query = select(AuditRecord).order_by(AuditRecord.number)
            with closing(session.scalars(query.execution_options(yield_per=500))) as records:
                for record in records:
                    previous = audit_hash(previous, record)
                    if record.hash != previous:
                        return record.number
            head = session.scalar(select(Head.audit_hash))
        return None if head == previous else 0
