"""The placement of each tenant: present, former, and the target of a running move."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.models import TenantRecord
from tenantry.errors import BadTransitionError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor
    from tenantry.values.tenant import Tenant


class Relocations:
    """The catalog's part of a move. Workers notice only :meth:`finish`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, tenant_id: str, placement: str, *, by: Actor) -> None:
        """Note that there may be something of the tenant on *placement* from now on."""
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            detail = {"from": record.placement, "to": placement}
            record.moving_to = placement
            writer.audit("tenant.move.begin", tenant=record, detail=detail)

    def cancel(self, tenant_id: str, *, by: Actor) -> None:
        """Note that nothing came of a move, and that nothing of it is left."""
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.moving_to:
                detail = {"from": record.placement, "to": record.moving_to}
                record.moving_to = ""
                writer.audit("tenant.move.end", tenant=record, detail=detail)

    def list(self, *, limit: int = 100) -> tuple[Tenant, ...]:
        """Return tenants whose moves have begun and not ended, be they under way or interrupted."""
        query = (
            select(TenantRecord)
            .where(TenantRecord.moving_to != "")
            .order_by(TenantRecord.slug)
            .limit(limit)
        )
        with self._store.reading() as session:
            return tuple(record.to_tenant() for record in session.scalars(query))

    def finish(
        self, tenant_id: str, placement: str, *, detail: Mapping[str, Any], by: Actor
    ) -> Tenant:
        """Let the tenant live where its move has led; where it was is remembered.

        :raises BadTransitionError: It was deleted meanwhile, or is being moved to another place.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.state == TenantState.DELETED or record.moving_to != placement:
                raise BadTransitionError(record.slug, record.state, f"moved to {placement}")
            told = {"from": record.placement, "to": placement, **detail}
            record.former_placement, record.placement = record.placement, placement
            record.moving_to = ""
            writer.change(record, "tenant.move", told)
            return record.to_tenant()

    def forget_former(self, tenant_id: str, *, by: Actor) -> None:
        """Note that nothing is left where the tenant was."""
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.former_placement:
                detail = {"from": record.former_placement}
                record.former_placement = ""
                writer.audit("tenant.move.drop", tenant=record, detail=detail)
