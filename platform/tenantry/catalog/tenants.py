"""Tenants in the catalog: create, find, list, and change their state and settings."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sqlalchemy import asc, bindparam, desc, func, select
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.models import HostRecord, TenantCountRecord, TenantRecord
from tenantry.catalog.names import FOUND, from_rows
from tenantry.catalog.text import storable
from tenantry.catalog.values import FormerName
from tenantry.catalog.word_search import PUBLIC_WORDS, has_words, matches_tenant
from tenantry.errors import (
    BadTransitionError,
    TenantChangedError,
    TenantExistsError,
    TenantNotFoundError,
    TenantRenamedError,
    TooLateError,
)
from tenantry.values.tenant import TRANSITIONS, Tenant, TenantState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Select

    from tenantry.catalog.names import Names
    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, Page, TenantRow

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
_counts = TenantCountRecord.__table__.c
_ALIVE = _counts.state != TenantState.DELETED

MAX_NOTICE = 300
MAX_REASON = 500
MOST_PUBLIC = 10_000
"""Public tenants that one can page through: of more, a visitor searches."""


def check_undeletable(row: TenantRow) -> None:
    """Refuse a deleted tenant that cannot come back.

    :raises TooLateError: Its purge date is over. A purge that begins sets the date to that moment.
    """
    if row.purged_at is not None or row.is_due:
        raise TooLateError(row.tenant.slug)


class Tenants:
    """What the catalog knows of tenants."""

    def __init__(self, store: Store, names: Names) -> None:
        self._store = store
        self._names = names

    def find(self, slug: str) -> Tenant | None:
        """Return the tenant that has this slug now."""
        return self._find(BY_SLUG, slug)

    def find_by_id(self, tenant_id: str) -> Tenant | None:
        """Return the tenant with this id."""
        return self._find(BY_ID, tenant_id)

    def find_by_host(self, host: str) -> Tenant | None:
        """Return the tenant that is served on this custom host, matched whole."""
        return self._find(BY_HOST, host)

    def get(self, slug: str) -> Tenant:
        """Like :meth:`find`.

        :raises TenantNotFoundError: No tenant has the slug; if one had it, the error says which.
        """
        found = self._names.find(slug)
        if found is None:
            raise TenantNotFoundError(slug)
        if isinstance(found, FormerName):
            raise TenantRenamedError(slug, found.now)
        return found

    def get_by_id(self, tenant_id: str) -> Tenant:
        """Like :meth:`find_by_id`.

        :raises TenantNotFoundError: No tenant has the id.
        """
        if (tenant := self.find_by_id(tenant_id)) is None:
            raise TenantNotFoundError(tenant_id)
        return tenant

    def get_row(self, slug: str) -> TenantRow:
        """Return a tenant with its owners.

        :raises TenantNotFoundError: No tenant has the slug; if one had it, the error says which.
        """
        tenant = self.get(slug)
        with self._store.reading() as session:
            record = session.get(TenantRecord, tenant.id)
            if record is None:  # forgotten in between
                raise TenantNotFoundError(slug)
            return record.to_row()

    def check_slugs(self, slugs: Iterable[str]) -> None:
        """Make sure that there are such tenants.

        :raises TenantNotFoundError: One is not there; if one had the slug, the error says which.
        """
        for slug in slugs:
            self.get(slug)

    def list(
        self,
        *,
        search: str = "",
        state: TenantState | None = None,
        sort: str = "slug",
        page: int = 1,
        size: int = 50,
    ) -> Page[TenantRow]:
        """Return one page of the tenants that have the words of *search* in their names.

        Those are slugs, now and before, the name, hosts, and its people's; or the id is *search*.

        :param sort: A key of :data:`SORTS`, with ``-`` in front for descending; else by slug.
        """
        query = select(TenantRecord)
        if search:
            query = query.where(matches_tenant(self._store, search))
        if state is not None:
            query = query.where(TenantRecord.state == state)
        column = SORTS.get(sort.removeprefix("-"), TenantRecord.slug)
        order = (desc if sort.startswith("-") else asc)(column)
        return self._store.read_page(
            query, order, TenantRecord.id, convert=TenantRecord.to_row, page=page, size=size
        )

    def list_public(self, *, search: str = "", page: int = 1, size: int = 24) -> Page[Tenant]:
        """Return one page of the active tenants that want to be found, by name; never a quiet one.

        :param search: Words of the slug or the name, or how they begin.
        """
        query = select(TenantRecord).where(
            TenantRecord.listed,
            TenantRecord.state == TenantState.ACTIVE,
            TenantRecord.quiet.is_(False),
        )
        if search:
            query = query.where(has_words(self._store, search, PUBLIC_WORDS, TenantRecord.id))
        order = (TenantRecord.name, TenantRecord.id)
        return self._store.read_page(
            query, *order, convert=TenantRecord.to_tenant, page=page, size=size, most=MOST_PUBLIC
        )

    def list_with_database(self, *, limit: int) -> tuple[Tenant, ...]:
        """Return tenants that should have a database, by id, with nothing but their names and place."""
        columns = (_tenants.id, _tenants.slug, _tenants.name, _tenants.placement)
        without = (TenantState.PROVISIONING, TenantState.DELETED)
        query = (
            select(*columns)
            .where(_tenants.state.not_in(without), _tenants.schema_revision != "")
            .order_by(_tenants.id)
            .limit(limit)
        )
        with self._store.connection() as connection:
            rows = connection.execute(query).all()
        return tuple(Tenant(row.id, row.slug, row.name, placement=row.placement) for row in rows)

    def count_by_state(self) -> dict[TenantState, int]:
        """Return how many tenants are in each state; every state is there."""
        return dict.fromkeys(TenantState, 0) | self._count_by(_counts.state)

    def count_by_placement(self) -> dict[str, int]:
        """Return how many tenants live on each placement; where none does, it is not there."""
        return self._count_by(_counts.placement, _ALIVE)

    def count_elsewhere(self, placements: Collection[str]) -> dict[str, int]:
        """Like :meth:`count_by_placement`, of those beside *placements*."""
        counts = self.count_by_placement()
        return {name: count for name, count in counts.items() if name not in placements}

    def count_by_plan(self) -> dict[str, int]:
        """Return how many tenants have each plan, tombstones left out; unused plans are not there."""
        return self._count_by(_counts.plan, _ALIVE)

    def add(
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
            name=storable(name) or slug,
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
            with self._store.writing(by) as writer:
                self._names.claim(writer.session, slug)
                writer.session.add(record)
                writer.change(record, "tenant.create", {"name": record.name})
        except IntegrityError as error:
            raise TenantExistsError(slug) from error
        return record.to_tenant()

    def transition(
        self,
        tenant_id: str,
        state: TenantState,
        *,
        by: Actor,
        reason: str = "",
        purge_at: datetime | None = None,
    ) -> Tenant:
        """Let a tenant be in another state; the same again changes nothing.

        :param purge_at: Until when a tenant that is deleted can come back; without, until an
            operator purges it.
        :raises TooLateError: It is deleted and past its purge date.
        :raises BadTransitionError: :data:`tenantry.values.tenant.TRANSITIONS` has no such transition.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            before = TenantState(record.state)
            if before == state:
                return record.to_tenant()
            if state not in TRANSITIONS[before]:
                raise BadTransitionError(record.slug, before, state)
            if before is TenantState.DELETED:
                check_undeletable(record.to_row())
            record.reason = reason.replace("\0", "")[:MAX_REASON]
            record.notice, record.reopens_at = "", None  # they are a maintenance's
            record.purge_at = purge_at if state is TenantState.DELETED else None
            writer.change_state(record, state, reason=reason, purge_at=_shown(record.purge_at))
            return record.to_tenant()

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

        :meth:`transition` ends it.

        :param notice: What visitors read; empty for the usual sentence.
        :param reason: Why, for the audit trail.
        :param reopens_at: When it should be over.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: It is closed in another way.
        """
        told = " ".join(notice.replace("\0", "").split())[:MAX_NOTICE]
        why = reason.replace("\0", "")[:MAX_REASON]
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            before = TenantState(record.state)
            same = (record.notice, record.reason, record.reopens_at) == (told, why, reopens_at)
            if before is TenantState.MAINTENANCE and same:
                return record.to_tenant()
            allowed = TRANSITIONS[before] | {before}
            if TenantState.MAINTENANCE not in allowed:
                raise BadTransitionError(record.slug, before, TenantState.MAINTENANCE)
            record.notice, record.reason, record.reopens_at = told, why, reopens_at
            facts = {"reason": why, "message": told, "until": _shown(reopens_at)}
            writer.change_state(record, TenantState.MAINTENANCE, **facts)
            return record.to_tenant()

    def configure(
        self,
        tenant_id: str,
        *,
        name: str | None = None,
        settings: Mapping[str, Any] | None = None,
        revision: int | None = None,
        by: Actor,
    ) -> Tenant:
        """Change a tenant's name or some of its settings; the others stay, as a blank name does.

        :param revision: The one that it must be at.
        :raises TenantNotFoundError: No tenant has the id.
        :raises TenantChangedError: It is at another revision.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if revision not in {None, record.revision}:
                raise TenantChangedError(record.slug, record.revision)
            before, after = record.settings, record.settings | dict(settings or {})
            changed = {key: after[key] for key in after if after[key] != before.get(key)}
            detail = {"before": {key: before.get(key) for key in changed}, "after": changed}
            if (new := storable(name or "")) and new != record.name:
                detail["before"]["name"], changed["name"] = record.name, new
                record.name = new
            if not changed:
                return record.to_tenant()
            record.settings = after
            record.listed = bool(after.get("listed"))
            writer.change(record, "tenant.configure", detail)
            return record.to_tenant()

    def change_plan(self, tenant_id: str, plan: str, *, by: Actor) -> Tenant:
        """Give a tenant another plan; saying the same again changes nothing.

        :raises TenantNotFoundError: No tenant has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.plan != plan:
                detail = {"before": record.plan, "after": plan}
                record.plan = plan
                writer.change(record, "tenant.plan", detail)
            return record.to_tenant()

    def release(self, tenant_id: str, *, by: Actor) -> Tenant:
        """Let a clone speak for itself; saying it again changes nothing.

        :raises TenantNotFoundError: No tenant has the id.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.quiet:
                record.quiet = False
                writer.change(record, "tenant.release")
            return record.to_tenant()

    def _count_by(self, column: Any, *conditions: Any) -> dict[Any, int]:
        """Add up what the database's triggers have counted."""
        number = func.sum(_counts.number)
        query = select(column, number).where(*conditions).group_by(column).order_by(column)
        with self._store.connection() as connection:
            return {value: int(total) for value, total in connection.execute(query) if total}

    def _find(self, query: Select[Any], key: str) -> Tenant | None:
        rows = self._store.fetch(query, key)
        return from_rows(rows) if rows else None


def _shown(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment is not None else ""
