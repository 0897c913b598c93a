"""Databases that stand by for new tenants, in the catalog.

Each has the id that its tenant will have, and no tenant's row: no visitor and no listing can see it.
Its row is there before the database is and until it is gone, or a tenant's row has taken its place.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, update

from tenantry.catalog.models import StandbyRecord
from tenantry.catalog.store import Store
from tenantry.catalog.values import Standby, StandbyState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tenantry.catalog.values import Actor


class Standbys(Store):
    """What the catalog knows of them. Every writer holds the head's lock, so nothing happens twice."""

    def list_standbys(self) -> tuple[Standby, ...]:
        """Return all of them, the oldest first."""
        query = select(StandbyRecord).order_by(StandbyRecord.created_at, StandbyRecord.id)
        with self.reading() as session:
            return tuple(record.to_standby() for record in session.scalars(query))

    def reserve_standby(
        self, placement: str, template: str, *, most: int, node: str, by: Actor
    ) -> str | None:
        """Return the id of one that is to be made; ``None`` if there are as many as there may be.

        :param template: Names the schema that it will have.
        :param most: How many of them there may be on the placement.
        :param node: Where it is made.
        """
        query = (
            select(func.count())
            .select_from(StandbyRecord)
            .where(StandbyRecord.placement == placement, StandbyRecord.template == template)
            .where(StandbyRecord.state != StandbyState.GOING)
        )
        with self.writing(by) as writer:
            if (writer.session.scalar(query) or 0) >= most:
                return None
            record = StandbyRecord(
                id=uuid.uuid4().hex,
                placement=placement,
                template=template,
                state=StandbyState.MAKING,
                node=node[:500],
            )
            writer.session.add(record)
            return record.id

    def open_standby(self, standby_id: str, *, by: Actor) -> None:
        """Let new tenants have it: its database is made."""
        self._move(standby_id, StandbyState.READY, by=by)

    def close_standby(self, standby_id: str, *, by: Actor) -> bool:
        """Let no tenant have it any more; return whether it is still there, to be dropped."""
        return self._move(standby_id, StandbyState.GOING, by=by)

    def put_back_standby(self, tenant_id: str, placement: str, *, node: str, by: Actor) -> None:
        """Have it dropped in time: the tenant that has taken it could not use it."""
        with self.writing(by) as writer:
            writer.session.add(
                StandbyRecord(
                    id=tenant_id,
                    placement=placement,
                    template="",
                    state=StandbyState.GOING,
                    node=node[:500],
                )
            )

    def forget_standby(self, standby_id: str, *, by: Actor) -> None:
        """Take out one whose database is gone."""
        with self.writing(by) as writer:
            writer.session.execute(delete(StandbyRecord).where(StandbyRecord.id == standby_id))

    def _move(self, standby_id: str, state: StandbyState, *, by: Actor) -> bool:
        with self.writing(by) as writer:
            found = writer.session.execute(
                update(StandbyRecord).where(StandbyRecord.id == standby_id).values(state=state)
            )
            return bool(found.rowcount)  # type: ignore[attr-defined]


def take_standby(session: Session, placement: str, template: str) -> str | None:
    """Take the oldest one that is ready out of the catalog and return its id.

    :param session: Of a writing transaction, which adds the tenant as well.
    """
    query = (
        select(StandbyRecord)
        .where(StandbyRecord.placement == placement, StandbyRecord.template == template)
        .where(StandbyRecord.state == StandbyState.READY)
        .order_by(StandbyRecord.created_at)
        .limit(1)
    )
    record = session.scalar(query)
    if record is None:
        return None
    session.delete(record)
    return record.id
