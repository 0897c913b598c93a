"""Tenants in the catalog."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import asc, bindparam, delete, desc, false, func, or_, select
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.models import (
    ChangeRecord,
    FormerHostRecord,
    FormerSlugRecord,
    Head,
    HostRecord,
    LinkRecord,
    MembershipRecord,
    TenantRecord,
)
from tenantry.catalog.names import FOUND, SERVED_HOST, Names, locked, missing
from tenantry.catalog.values import Actor, Changes, FormerName, Page, TenantRow
from tenantry.errors import (
    BadTransitionError,
    TenantExistsError,
    TenantNotFoundError,
    TenantRenamedError,
    TooLateError,
)
from tenantry.values.tenant import MOVES, Tenant, TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement

SORTS = {
    "slug": TenantRecord.slug,
    "name": TenantRecord.name,
    "state": TenantRecord.state,
    "created_at": TenantRecord.created_at,
}

_tenants, _hosts = TenantRecord.__table__.c, HostRecord.__table__.c
BY_SLUG = FOUND.where(_tenants.slug == bindparam("key"))
BY_ID = FOUND.where(_tenants.id == bindparam("key"))
BY_HOST = FOUND.where(
    _tenants.id
    == select(_hosts.tenant_id)
    .where(_hosts.name == bindparam("key"), _hosts.verified_at.is_not(None))
    .scalar_subquery()
)


# What every worker asks after each change.
EPOCH = select(Head.__table__.c.epoch)
_changes = ChangeRecord.__table__.c
CHANGED = (
    select(_changes.tenant_id)
    .where(_changes.epoch > bindparam("after"), _changes.epoch <= bindparam("until"))
    .order_by(_changes.epoch)
    .limit(1000)
)
CHANGED_TENANTS = (
    select(_tenants.id, _tenants.slug, _tenants.revision, _tenants.purged_at)
    .add_columns(_hosts.name.label("host"))
    .join_from(TenantRecord.__table__, HostRecord.__table__, SERVED_HOST, isouter=True)
    .where(_tenants.id.in_(bindparam("ids", expanding=True)))
    .order_by(_hosts.verified_at)
)


def contains(text: str, *columns: Any) -> ColumnElement[bool]:
    """Return a condition: one of the columns contains *text*, wildcards taken literally."""
    if "\0" in text:
        return false()  # PostgreSQL refuses it, SQLite would stop reading there and find everything
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def tidy(text: str) -> str:
    """Return a name as people meant it: PostgreSQL stores no NUL, and no column is endless."""
    return text.replace("\0", "").strip()[:200]


def check_undeletable(row: TenantRow) -> None:
    """Refuse a deleted tenant that cannot come back.

    :raises TooLateError: Its purge date is over. A purge that begins sets the date to that moment.
    """
    if row.purged_at is not None or row.is_due:
        raise TooLateError(row.tenant.slug)


class Tenants(Names):
    """What the catalog knows of tenants."""

    def find_tenant(self, slug: str) -> Tenant | None:
        """Return the tenant that has this slug now."""
        return self._find(BY_SLUG, slug)

    def find_tenant_by_id(self, tenant_id: str) -> Tenant | None:
        """Return the tenant with this id."""
        return self._find(BY_ID, tenant_id)

    def find_tenant_by_host(self, host: str) -> Tenant | None:
        """Return the tenant that is served on this custom host, matched whole."""
        return self._find(BY_HOST, host)

    def get_tenant(self, slug: str) -> Tenant:
        """Like :meth:`find_tenant`.

        :raises TenantNotFoundError: No tenant has the slug; if one had it, the error says which.
        """
        found = self.find_named(slug)
        if found is None:
            raise TenantNotFoundError(slug)
        if isinstance(found, FormerName):
            raise TenantRenamedError(slug, found.now)
        return found

    def get_tenant_by_id(self, tenant_id: str) -> Tenant:
        """Like :meth:`find_tenant_by_id`.

        :raises TenantNotFoundError: No tenant has the id.
        """
        if (tenant := self.find_tenant_by_id(tenant_id)) is None:
            raise TenantNotFoundError(tenant_id)
        return tenant

    def list_tenants(
        self,
        *,
        search: str = "",
        state: TenantState | None = None,
        sort: str = "slug",
        page: int = 1,
        size: int = 50,
    ) -> Page[TenantRow]:
        """Return one page of the tenants whose slug, now or before, name or host contains *search*.

        :param sort: A key of :data:`SORTS`, with ``-`` in front for descending; else by slug.
        """
        query = select(TenantRecord)
        if search:
            by_host = TenantRecord.hosts.any(contains(search, HostRecord.name))
            former = select(FormerSlugRecord.tenant_id).where(
                contains(search, FormerSlugRecord.slug)
            )
            by_name = contains(search, TenantRecord.slug, TenantRecord.name)
            query = query.where(or_(by_name, by_host, TenantRecord.id.in_(former)))
        if state is not None:
            query = query.where(TenantRecord.state == state)
        column = SORTS.get(sort.removeprefix("-"), TenantRecord.slug)
        order = (desc if sort.startswith("-") else asc)(column)
        with self.reading() as session:
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            number = min(max(1, page), max(1, -(-total // size)))
            rows = session.scalars(
                query.order_by(order, TenantRecord.id).limit(size).offset((number - 1) * size)
            )
            return Page(tuple(to_row(record) for record in rows), total, number, size)

    def list_public_sites(self, *, search: str = "", page: int = 1, size: int = 24) -> Page[Tenant]:
        """Return one page of the active tenants that want to be found, by name; never a quiet one."""
        query = select(TenantRecord).where(
            TenantRecord.listed,
            TenantRecord.state == TenantState.ACTIVE,
            TenantRecord.quiet.is_(False),
        )
        if search:
            query = query.where(contains(search, TenantRecord.slug, TenantRecord.name))
        with self.reading() as session:
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            number = min(max(1, page), max(1, -(-total // size)))
            rows = session.scalars(
                query.order_by(TenantRecord.name, TenantRecord.id)
                .limit(size)
                .offset((number - 1) * size)
            )
            return Page(tuple(record.to_tenant() for record in rows), total, number, size)

    def get_row(self, slug: str) -> TenantRow:
        """Return a tenant with its owners.

        :raises TenantNotFoundError: No tenant has the slug; if one had it, the error says which.
        """
        with self.reading() as session:
            record = session.scalar(select(TenantRecord).where(TenantRecord.slug == slug))
            if record is None:
                raise missing(session, slug)
            return to_row(record)

    def count_tenants(self) -> dict[TenantState, int]:
        """Return how many tenants are in each state; every state is there."""
        query = select(TenantRecord.state, func.count()).group_by(TenantRecord.state)
        with self.reading() as session:
            found = dict(session.execute(query).tuples().all())
        return {state: found.get(state, 0) for state in TenantState}

    def count_placements(self) -> dict[str, int]:
        """Return how many tenants live on each placement; where none does, it is not there."""
        alive = TenantRecord.state != TenantState.DELETED
        query = select(TenantRecord.placement, func.count()).where(alive)
        with self.reading() as session:
            found = session.execute(query.group_by(TenantRecord.placement))
            return dict(found.tuples().all())

    def list_housed(self, *, limit: int) -> tuple[Tenant, ...]:
        """Return tenants that should have a database, by id, with nothing but their names and place."""
        columns = (_tenants.id, _tenants.slug, _tenants.name, _tenants.placement)
        without = (TenantState.PROVISIONING, TenantState.DELETED)
        query = (
            select(*columns)
            .where(_tenants.state.not_in(without), _tenants.schema_revision != "")
            .order_by(_tenants.id)
            .limit(limit)
        )
        with self.asking() as connection:
            rows = connection.execute(query).all()
        return tuple(Tenant(row.id, row.slug, row.name, placement=row.placement) for row in rows)

    def count_plans(self) -> dict[str, int]:
        """Return how many tenants have each plan, tombstones left out; unused plans are not there."""
        alive = TenantRecord.state != TenantState.DELETED
        query = select(TenantRecord.plan, func.count()).where(alive)
        with self.reading() as session:
            found = session.execute(query.group_by(TenantRecord.plan))
            return dict(found.tuples().all())

    def add_tenant(
        self,
        slug: str,
        *,
        name: str,
        settings: Mapping[str, Any] | None = None,
        plan: str = "free",
        placement: str = "local",
        quiet: bool = False,
        reason: str = "",
        by: Actor,
    ) -> Tenant:
        """Add a tenant in state *provisioning*, with a new id.

        :param reason: Why it is in that state; forgotten when it is opened.
        :raises BadSlugError: The slug breaks the rule or is reserved.
        :raises TenantExistsError: The slug is taken, or another tenant's former one.
        """
        record = TenantRecord(
            id=uuid.uuid4().hex,
            slug=slug,
            name=tidy(name) or slug,
            state=TenantState.PROVISIONING,
            plan=plan,
            placement=placement,
            quiet=quiet,
            reason=reason,
            settings=dict(settings or {}),
            listed=bool((settings or {}).get("listed")),
            hosts=[],
            owners=[],
            notice="",
        )
        try:
            with self.writing(by) as writer:
                self._claim(writer.session, slug)
                writer.session.add(record)
                writer.changed(record)
                writer.session.flush()
                writer.audit("tenant.create", tenant=record, detail={"name": record.name})
        except IntegrityError as error:
            raise TenantExistsError(slug) from error
        return record.to_tenant()

    def check_forgettable(self, tenant_id: str, *, by: Actor) -> None:
        """Make sure that a tenant was not opened, also by a transaction whose end nobody has seen.

        Every writer holds the head's lock: when we have it, there is no such transaction any more.

        :raises BadTransitionError: It has left the state *provisioning*.
        """
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            if record.state != TenantState.PROVISIONING:
                raise BadTransitionError(record.slug, record.state, "forgotten")

    def forget_tenant(self, tenant_id: str, *, by: Actor) -> None:
        """Take back a tenant that was never provisioned; its slug is free again, its id is not.

        :raises BadTransitionError: It has left the state *provisioning*.
        """
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            if record.state != TenantState.PROVISIONING:
                raise BadTransitionError(record.slug, record.state, "forgotten")
            writer.changed(record)
            writer.audit("tenant.forget", tenant=record)
            for table in (HostRecord, FormerHostRecord, LinkRecord, MembershipRecord):
                writer.session.execute(delete(table).where(table.tenant_id == tenant_id))
            writer.session.execute(delete(TenantRecord).where(TenantRecord.id == tenant_id))

    def move_tenant(
        self,
        tenant_id: str,
        state: TenantState,
        *,
        by: Actor,
        reason: str = "",
        purge_at: datetime | None = None,
    ) -> Tenant:
        """Move a tenant to another state; saying the same again changes nothing.

        :param purge_at: Until when a tenant that is deleted can come back; without, until somebody
            purges it.
        :raises TooLateError: It is deleted and past its purge date.
        :raises BadTransitionError: :data:`tenantry.values.tenant.MOVES` has no such move.
        """
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            before = TenantState(record.state)
            if before == state:
                return record.to_tenant()
            if state not in MOVES[before]:
                raise BadTransitionError(record.slug, before, state)
            if before is TenantState.DELETED:
                check_undeletable(to_row(record))
            record.state = state
            record.reason = reason.replace("\0", "")[:500]
            record.notice, record.reopens_at = "", None  # they are a maintenance's
            record.purge_at = purge_at if state is TenantState.DELETED else None
            writer.changed(record)
            detail = {"before": before, "after": state} | ({"reason": reason} if reason else {})
            if record.purge_at is not None:
                detail["purge_at"] = record.purge_at.isoformat(timespec="seconds")
            writer.audit("tenant.state", tenant=record, detail=detail)
            return record.to_tenant()

    def configure_tenant(
        self,
        tenant_id: str,
        *,
        name: str | None = None,
        settings: Mapping[str, Any] | None = None,
        by: Actor,
    ) -> Tenant:
        """Change a tenant's name or some of its settings; the others stay, as a blank name does."""
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            before, after = record.settings, record.settings | dict(settings or {})
            changed = {key: after[key] for key in after if after[key] != before.get(key)}
            detail = {"before": {key: before.get(key) for key in changed}, "after": changed}
            if (new := tidy(name or "")) and new != record.name:
                detail["before"]["name"], changed["name"] = record.name, new
                record.name = new
            if not changed:
                return record.to_tenant()
            record.settings = after
            record.listed = bool(after.get("listed"))
            writer.changed(record)
            writer.audit("tenant.configure", tenant=record, detail=detail)
            return record.to_tenant()

    def change_plan(self, tenant_id: str, plan: str, *, by: Actor) -> Tenant:
        """Give a tenant another plan; saying the same again changes nothing.

        :raises TenantNotFoundError: No tenant has the id.
        """
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            if record.plan != plan:
                detail = {"before": record.plan, "after": plan}
                record.plan = plan
                writer.changed(record)
                writer.audit("tenant.plan", tenant=record, detail=detail)
            return record.to_tenant()

    def read_epoch(self) -> int:
        """Return the number of the newest change."""
        with self.asking() as connection:
            return connection.scalar(EPOCH) or 0

    def read_changes(self, after: int) -> Changes:
        """Return what happened since the epoch *after*, in one transaction."""
        with self.asking() as connection:
            epoch = connection.scalar(EPOCH) or 0
            changed = connection.scalars(CHANGED, {"after": after, "until": epoch}).all()
            # Numbers have no holes: anything else than all of them means pruned, too many to
            # name, or a catalog restored from the past.
            if len(changed) != epoch - after:
                return Changes(epoch, complete=False)
            ids = set(changed)
            rows = connection.execute(CHANGED_TENANTS, {"ids": list(ids)}).all()
        hosts: dict[str, tuple[str, ...]] = {row.id: () for row in rows}
        for row in rows:
            hosts[row.id] += () if row.host is None else (row.host,)
        gone = dict.fromkeys(ids, 2**31)
        return Changes(
            epoch,
            gone=frozenset(ids - {row.id for row in rows if row.purged_at is None}),
            hosts=hosts,
            slugs={row.id: row.slug for row in rows},
            revisions=gone | {row.id: row.revision for row in rows},
        )


def to_row(record: TenantRecord) -> TenantRow:
    return TenantRow(
        record.to_tenant(),
        record.created_at,
        tuple(record.owners),
        record.reason,
        record.purge_at,
        record.purged_at,
        record.former_placement,
        record.moving_to,
    )
