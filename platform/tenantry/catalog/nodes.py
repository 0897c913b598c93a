"""The nodes of a fleet: who they are, and which placements belong to which of them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from sqlalchemy import Table, delete, exists, extract, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.listener import CHANNEL
from tenantry.catalog.models import Head, NodeRecord, PlacementOwnerRecord, TenantRecord
from tenantry.catalog.values import LEASE_SECONDS, Node, Owner, shown_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor

WAIT_SECONDS = 0.02
"""Between two looks at whether all nodes have seen a change."""
SAMPLE = 50
"""Tenants of a placement whose files are looked for before a node calls the placement its own."""

_nodes, _owners, _heads = (
    cast("Table", record.__table__) for record in (NodeRecord, PlacementOwnerRecord, Head)
)
_AGE = extract("epoch", func.clock_timestamp() - _nodes.c.seen_at)


class Nodes:
    """The rows of nodes and owners on PostgreSQL; all times are the database server's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def register(self, node_id: str, *, name: str, release: str) -> None:
        """Add the node, or let it have another name and release. It writes only what is new."""
        found = select(_nodes.c.name, _nodes.c.release).where(_nodes.c.id == node_id)
        with self._store.connection() as connection:
            known = connection.execute(found).one_or_none()
        if known is not None and (known.name, known.release) == (name, release):
            return
        now = func.clock_timestamp()
        values = {"name": name, "release": release}
        with self._store.updating() as connection:
            changed = update(_nodes).where(_nodes.c.id == node_id).values(values)
            if connection.execute(changed).rowcount:
                return
            new = {
                "id": node_id,
                "joined_at": now,
                "seen_at": now - timedelta(days=1),
                "epoch": 0,
                "drained": False,
            }
            connection.execute(insert(_nodes).values({**values, **new}))

    def beat(self, node_id: str, epoch: int) -> bool:
        """Note that a node lives and which change it serves; return whether it is drained."""
        seen = {"seen_at": func.clock_timestamp(), "epoch": epoch}
        beat = update(_nodes).where(_nodes.c.id == node_id).values(seen).returning(_nodes.c.drained)
        with self._store.updating() as connection:
            return bool(connection.scalar(beat))

    def is_drained(self, node_id: str) -> bool:
        """Say whether an operator has drained the node."""
        with self._store.connection() as connection:
            drained = select(_nodes.c.drained).where(_nodes.c.id == node_id)
            return bool(connection.scalar(drained))

    def wait_until_seen(self, epoch: int) -> None:
        """Return when every live node serves the change *epoch*, or has lost its lease."""
        deadline = time.monotonic() + LEASE_SECONDS + 2
        behind = select(func.count()).where(_nodes.c.epoch < epoch, _AGE < LEASE_SECONDS)
        while time.monotonic() < deadline:
            with self._store.connection() as connection:
                if not connection.scalar(behind):
                    return
            time.sleep(WAIT_SECONDS)

    def set_drained(self, node_id: str, *, drained: bool, by: Actor) -> None:
        """Let a node take no more visitors, or take them again."""
        with self._store.writing(by) as writer:
            connection = writer.session.connection()
            changed = update(_nodes).where(_nodes.c.id == node_id, _nodes.c.drained != drained)
            if connection.execute(changed.values(drained=drained)).rowcount:
                action = "node.drain" if drained else "node.undrain"
                writer.audit(action, detail={"node": node_id})
                connection.execute(select(func.pg_notify(CHANNEL, "")))  # it wakes the node

    def list(self) -> tuple[Node, ...]:
        """Return all nodes, the first one first."""
        query = select(_nodes, _AGE.label("age")).order_by(_nodes.c.joined_at, _nodes.c.id)
        with self._store.connection() as connection:
            return tuple(
                Node(
                    row.id,
                    row.name,
                    row.release,
                    None if row.seen_at < row.joined_at else float(row.age),
                    row.epoch,
                    row.drained,
                )
                for row in connection.execute(query)
            )

    def find_owners(self) -> dict[str, Owner]:
        """Return whose the placements are that belong to somebody."""
        query = select(_owners, _nodes.c.name.label("node")).join_from(
            _owners, _nodes, _nodes.c.id == _owners.c.node_id, isouter=True
        )
        with self._store.connection() as connection:
            return {
                row.name: Owner(row.owner, row.node_id, shown_node(row.node_id, row.node or "?"))
                for row in connection.execute(query)
            }

    def claim(self, name: str, owner: str, *, node_id: str) -> None:
        """Let a placement belong to a node, unless it belongs to one already."""
        try:
            with self._store.updating() as connection:
                values = {"name": name, "owner": owner, "node_id": node_id}
                connection.execute(insert(_owners).values(values))
        except IntegrityError:
            pass  # another node was faster

    def take(self, name: str, owner: str, *, node_id: str, by: Actor) -> None:
        """Let a placement belong to a node, also if another node had it."""
        with self._store.writing(by) as writer:
            connection = writer.session.connection()
            before = select(_owners.c.node_id).where(_owners.c.name == name)
            detail = {
                "placement": name,
                "from": connection.scalar(before) or "",
                "to": node_id,
            }
            connection.execute(delete(_owners).where(_owners.c.name == name))
            values = {"name": name, "owner": owner, "node_id": node_id}
            connection.execute(insert(_owners).values(values))
            writer.audit("placement.take", detail=detail)

    def sample_tenants(self, placements: Sequence[str]) -> tuple[str, ...]:
        """Return the ids of some tenants that live on these placements."""
        query = (
            select(TenantRecord.id)
            .where(TenantRecord.placement.in_(placements), TenantRecord.purged_at.is_(None))
            .limit(SAMPLE)
        )
        with self._store.connection() as connection:
            return tuple(connection.scalars(query))

    def has_others(self, node_id: str) -> bool:
        """Say whether there are other nodes than this one."""
        with self._store.connection() as connection:
            return bool(connection.scalar(select(exists().where(_nodes.c.id != node_id))))

    def accept_keys(self, checks: Sequence[str], *, anyway: bool = False) -> bool:
        """Say whether a node's keys are the platform's: one of them was the newest one before.

        :param checks: What each of the node's keys makes of the same text, the newest first.
        :param anyway: Let them be the platform's whatever was known.
        """
        with self._store.connection() as connection:
            known = connection.scalar(select(_heads.c.key_check)) or ""
        if known and known not in checks and not anyway:
            return False
        if known != checks[0]:
            with self._store.updating() as connection:
                same = _heads.c.key_check == known
                connection.execute(update(_heads).where(same).values(key_check=checks[0]))
        return True
