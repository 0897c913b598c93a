"""Slugs in the catalog: current and former names, and renaming.

A name that a tenant has given up leads to it for a time and stays reserved for ever: an old link must
never show another tenant's site. Only the tenant that had it may take it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import and_, bindparam, delete, func, select

from tenantry.catalog.models import FormerSlugRecord, HostRecord, TenantRecord, as_tenant
from tenantry.catalog.values import FormerName
from tenantry.errors import (
    BadSlugError,
    BadTransitionError,
    NameHeldError,
    TenantExistsError,
)
from tenantry.values.hosts import label_under
from tenantry.values.slugs import NameState, judge_name, looks_of
from tenantry.values.tenant import Tenant, TenantState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row, Table
    from sqlalchemy.orm import Session

    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor

UNNAMEABLE = frozenset({TenantState.PROVISIONING, TenantState.DELETED})
"""States in which a tenant keeps its name: one is being made, the other is only a tombstone."""

# A visitor's first request waits for one of these. Made once, of tables instead of records, they cost a
# sixth of what the ORM takes. A tenant comes in a row for each served host, and at
# least in one.
_tenants, _hosts = TenantRecord.__table__.c, HostRecord.__table__.c
_former = FormerSlugRecord.__table__.c
SERVED_HOST = and_(_hosts.tenant_id == _tenants.id, _hosts.verified_at.is_not(None))
FOUND = (
    select(TenantRecord.__table__, _hosts.name.label("host"), _hosts.is_primary)
    .join_from(TenantRecord.__table__, HostRecord.__table__, SERVED_HOST, isouter=True)
    .order_by(_hosts.is_primary.desc(), _hosts.verified_at)
)
_KEY: Any = bindparam("key")
_OWN = TenantRecord.__table__.alias("own")
_until = select(_former.redirects_until).where(_former.slug == _KEY)
OWNERS = select(
    select(_tenants.id).where(_tenants.slug == _KEY).scalar_subquery(),
    select(_former.tenant_id).where(_former.slug == _KEY).scalar_subquery(),
    select(_tenants.state).where(_tenants.slug == _KEY).scalar_subquery(),
)
FORGET_NAME = delete(cast("Table", FormerSlugRecord.__table__)).where(_former.slug == _KEY)
# One statement also for names that nobody has, of which there can be floods. What coalesce() does not
# need it does not evaluate, so a tenant under its own name costs no look at the former ones.
BY_NAME = FOUND.add_columns(_until.scalar_subquery().label("redirects_until")).where(
    _tenants.id
    == func.coalesce(
        select(_OWN.c.id).where(_OWN.c.slug == _KEY).scalar_subquery(),
        select(_former.tenant_id).where(_former.slug == _KEY).scalar_subquery(),
    )
)


class Names:
    """What the catalog knows of names.

    :param domain: The platform's domain.
    :param backend_host: The operators' own host, if there is one; no slug leads there.
    """

    def __init__(self, store: Store, *, domain: str, backend_host: str) -> None:
        self._store = store
        self._backend_label = label_under(backend_host, domain)

    def find(self, slug: str) -> Tenant | FormerName | None:
        """Return the tenant that has this slug, or what became of the one that had it."""
        rows = self._store.fetch(BY_NAME, slug)
        if not rows:
            return None
        first = rows[0]
        if first.slug != slug:
            return FormerName(slug, first.id, first.slug, first.redirects_until)
        return from_rows(rows)

    def list_former(self, tenant_id: str) -> tuple[FormerName, ...]:
        """Return the names that a tenant has given up, by name."""
        query = (
            select(FormerSlugRecord, TenantRecord.slug)
            .join(TenantRecord)
            .where(TenantRecord.id == tenant_id)
            .order_by(FormerSlugRecord.slug)
        )
        with self._store.reading() as session:
            return tuple(
                FormerName(record.slug, tenant_id, slug, record.redirects_until)
                for record, slug in session.execute(query).tuples()
            )

    def check(self, slug: str, *, tenant_id: str | None = None) -> None:
        """Refuse a slug that this tenant, or a new one, cannot have.

        :raises BadSlugError: The slug breaks the rule or is reserved.
        :raises TenantExistsError: Another tenant has the slug, or had it (:class:`NameHeldError`).
        """
        with self._store.reading() as session:
            self._check(session, slug, tenant_id)

    def claim(self, session: Session, slug: str, *, tenant_id: str | None = None) -> None:
        """Check the slug like :meth:`check`, and take it out of the former ones.

        :param session: Of a writing transaction. It holds the head's lock, so nobody else claims the
            slug meanwhile.
        """
        if self._check(session, slug, tenant_id):
            session.connection().execute(FORGET_NAME, {"key": slug})

    def rename(self, tenant_id: str, slug: str, *, redirects_until: datetime, by: Actor) -> Tenant:
        """Give a tenant another slug and keep the old one for it; the same again changes nothing.

        :param redirects_until: When the old name stops leading to the new one.
        :raises BadSlugError: The slug breaks the rule or is reserved.
        :raises BadTransitionError: The tenant is being made, or is deleted.
        :raises TenantExistsError: Another tenant has the slug, or had it (:class:`NameHeldError`).
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.slug == slug:
                return record.to_tenant()
            check_renamable(record)
            self.claim(writer.session, slug, tenant_id=tenant_id)
            before, record.slug = record.slug, slug
            former = FormerSlugRecord(slug=before, tenant_id=tenant_id)
            former.redirects_until = redirects_until
            writer.session.add(former)
            until = redirects_until.isoformat(timespec="seconds")
            detail = {"before": before, "after": slug, "redirects_until": until}
            writer.change(record, "tenant.rename", detail)
            return record.to_tenant()

    def _check(self, session: Session, slug: str, tenant_id: str | None) -> bool:
        """Say whether the slug is among the former ones; refuse it if it is another tenant's."""
        if problem := judge_name(slug, backend_label=self._backend_label).problem:
            raise BadSlugError(slug, problem)  # a database need not even be able to look for it
        now, before, state = session.connection().execute(OWNERS, {"key": slug}).one()
        is_anothers = (before or now) not in {None, tenant_id}
        is_in_use = before is None and state != TenantState.DELETED
        verdict = judge_name(slug, held=is_anothers and not is_in_use, taken=is_anothers)
        if verdict.state is NameState.HELD:
            raise NameHeldError(slug)
        if verdict.state is NameState.TAKEN:
            raise TenantExistsError(slug)
        if before is now is None and (other := _find_alike(session, slug, tenant_id)) is not None:
            raise BadSlugError(slug, f"it looks like the name of another site, “{other}”")
        return before is not None


def _find_alike(session: Session, slug: str, tenant_id: str | None) -> str | None:
    """Return a name that another tenant has or had, and that people would take for this one (R31)."""
    look = looks_of(slug)
    now = select(_tenants.slug).where(_tenants.looks == look)
    before = select(_former.slug).where(_former.looks == look)
    if tenant_id is not None:
        now = now.where(_tenants.id != tenant_id)
        before = before.where(_former.tenant_id != tenant_id)
    return session.scalar(now.limit(1)) or session.scalar(before.limit(1))


def check_renamable(tenant: Tenant | TenantRecord) -> None:
    """Refuse a tenant that keeps its name because of its state."""
    if tenant.state in UNNAMEABLE:
        raise BadTransitionError(tenant.slug, tenant.state, "renamed")


def from_rows(rows: Sequence[Row[Any]]) -> Tenant:
    """Return the tenant whose rows :data:`FOUND` has brought."""
    first = rows[0]
    hosts = (row.host for row in rows if row.host is not None)
    return as_tenant(first, hosts=hosts, primary=first.host if first.is_primary else "")
