"""Maintenance in the catalog: a site that is closed for a time, and what its visitors read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.catalog.names import locked
from tenantry.catalog.store import Store
from tenantry.errors import BadTransitionError
from tenantry.values.tenant import MOVES, TenantState

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.catalog.values import Actor
    from tenantry.values.tenant import Tenant

MAX_NOTICE = 300
MAX_REASON = 500


class Maintenance(Store):
    """The catalog's part of a maintenance; :meth:`move_tenant` ends it."""

    def begin_maintenance(
        self,
        tenant_id: str,
        *,
        notice: str = "",
        reason: str = "",
        reopens_at: datetime | None = None,
        by: Actor,
    ) -> Tenant:
        """Close a tenant for a time, or say something else of a maintenance that has begun.

        :param notice: What visitors read; empty for the usual sentence.
        :param reason: Why, for the audit trail.
        :param reopens_at: When it should be over.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: It is closed in another way.
        """
        told = " ".join(notice.replace("\0", "").split())[:MAX_NOTICE]
        why = reason.replace("\0", "")[:MAX_REASON]
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            before = TenantState(record.state)
            same = (record.notice, record.reason, record.reopens_at) == (told, why, reopens_at)
            if before is TenantState.MAINTENANCE and same:
                return record.to_tenant()
            allowed = MOVES[before] | {before}
            if TenantState.MAINTENANCE not in allowed:
                raise BadTransitionError(record.slug, before, TenantState.MAINTENANCE)
            record.state = TenantState.MAINTENANCE
            record.notice, record.reason, record.reopens_at = told, why, reopens_at
            writer.changed(record)
            detail: dict[str, str] = {"before": before, "after": TenantState.MAINTENANCE}
            until = reopens_at.isoformat(timespec="seconds") if reopens_at else ""
            facts = {"reason": why, "message": told, "until": until}
            detail |= {name: value for name, value in facts.items() if value}
            writer.audit("tenant.state", tenant=record, detail=detail)
            return record.to_tenant()
