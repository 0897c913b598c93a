"""Custom hosts in the catalog: add, choose, remove, and reserve removed ones for 30 days.

A host that a tenant has given up may still be in people's bookmarks and in DNS. So for a time only the
tenant that had it may have it again, unless an operator says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.change_feed import EPOCH
from tenantry.catalog.models import FormerHostRecord, HostRecord, TenantRecord, now
from tenantry.catalog.slices import Order, read_slice
from tenantry.catalog.text import contains
from tenantry.catalog.values import Host, HostState
from tenantry.errors import (
    BadHostError,
    HostLimitError,
    HostNotFoundError,
    HostNotServedError,
    HostRestingError,
    HostTakenError,
)
from tenantry.values.domain_proof import proof_name
from tenantry.values.hosts import (
    MAX_HOST,
    canonical_host,
    check_scripts,
    look_of_host,
    shown_host,
)
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from tenantry.catalog.slices import Slice
    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, HostProof
    from tenantry.values.tenant import Tenant

HOST_REST = timedelta(days=30)
"""How long a host that was served rests before another tenant may have it."""

MAX_WAITING = 20
"""Hosts of one tenant that are not verified, at most: each costs questions to the DNS."""

CLOCKS_DIFFER = timedelta(minutes=10)
"""What the clocks of two nodes differ by, and a transaction takes, at most."""

_hosts, _tenants = HostRecord.__table__.c, TenantRecord.__table__.c
SERVED = (
    select(_hosts.tenant_id, _hosts.name)
    .join_from(HostRecord.__table__, TenantRecord.__table__)
    .where(_hosts.verified_at.is_not(None), _tenants.state != TenantState.DELETED)
)


class CustomHosts:
    """What the catalog knows of custom hosts.

    :param domain: The platform's domain; nobody can claim a host under it.
    :param backend_host: The operators' own host, if there is one; nobody can claim that either.
    """

    def __init__(self, store: Store, *, domain: str, backend_host: str) -> None:
        self._store = store
        self._domain = domain
        self._backend_host = backend_host

    def check_name(self, host: str) -> str:
        """Return the canonical form of a host that a tenant may want.

        :raises BadHostError: Not a full host name, one that mixes scripts, or that looks like ours.
        :raises HostTakenError: It is the platform's own, or lies under its domain.
        """
        name = check_scripts(canonical_host(host))
        if len(proof_name(name)) > MAX_HOST:
            raise BadHostError(host, "it leaves no room for the name of its TXT record")
        if name in {self._domain, self._backend_host} or name.endswith("." + self._domain):
            raise HostTakenError(name)
        look = look_of_host(name)
        if look != name and f".{look}".endswith(f".{self._domain}"):
            raise BadHostError(shown_host(name), f"it looks like {look}, the platform's own")
        return name

    def add(
        self,
        tenant_id: str,
        host: str,
        *,
        proof: HostProof | None = None,
        take_over: bool = False,
        by: Actor,
    ) -> Tenant:
        """Give a tenant a custom host; saying the same again changes nothing.

        Without a choice, the one verified first is where the tenant's links point. Several tenants
        can wait for one host: it goes to the one that proves it.

        :param proof: How it was verified; without, it is pending and not served. It also verifies a
            pending one.
        :param take_over: Also while it rests after another tenant had it.
        :raises BadHostError: Not a full host name, or one that looks like another one.
        :raises HostTakenError: Another tenant has it, or it lies under the platform's domain.
        :raises HostRestingError: Another tenant had it a short time ago.
        :raises HostLimitError: Too many of the tenant's hosts wait for their proof.
        """
        name = self.check_name(host)
        lookalike = find_lookalike(self._store, name, tenant_id)
        try:
            with self._store.writing(by) as writer:
                record = writer.get_tenant(tenant_id)
                entry = find_entry(record, name)
                if entry is None:
                    check_free(writer.session, name)
                    check_look(writer.session, name, tenant_id, lookalike)
                    before = take_from_rest(writer.session, name, tenant_id, take_over=take_over)
                    entry = HostRecord(name=name, state=HostState.PENDING, proof="", check_at=now())
                    if proof is None:
                        _check_waiting(record)
                    record.hosts.append(entry)
                    detail = {"host": name, "proof": proof or "none yet"}
                    if before is not None:
                        detail["taken_over_from"] = before
                    verify(entry, proof)
                    writer.change(record, "host.add", detail)
                elif proof is not None and entry.state != HostState.VERIFIED:
                    verify(entry, proof)
                    writer.change(record, "host.verify", {"host": name, "proof": proof})
                return record.to_tenant()
        except IntegrityError as error:
            raise HostTakenError(name) from error

    def remove(self, tenant_id: str, host: str, *, by: Actor) -> Tenant:
        """Take a custom host from a tenant. If it was served, it rests for a time.

        :raises HostNotFoundError: The tenant has no such host.
        """
        name = canonical_host(host)
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            entry = get_entry(record, name)
            lay_to_rest(writer.session, entry)
            record.hosts.remove(entry)
            writer.session.delete(entry)
            writer.change(record, "host.remove", {"host": name})
            return record.to_tenant()

    def set_primary(self, tenant_id: str, host: str | None, *, by: Actor) -> Tenant:
        """Let the tenant's other hosts redirect to this one; to none, if *host* is ``None``.

        :raises HostNotFoundError: The tenant has no such host.
        :raises HostNotServedError: It is not verified.
        """
        name = None if host is None else canonical_host(host)
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if name is not None and not (entry := get_entry(record, name)).verified_at:
                raise HostNotServedError(name, entry.state)
            before = record.to_tenant().primary
            for entry in record.hosts:
                entry.is_primary = entry.name == name
            if before != (name or ""):
                writer.change(record, "host.primary", {"before": before, "after": name or ""})
            return record.to_tenant()

    def get(self, tenant_id: str, host: str) -> Host:
        """Return one custom host of a tenant.

        :raises HostNotFoundError: The tenant has no such host.
        """
        name = canonical_host(host)
        with self._store.reading() as session:
            record = session.get(HostRecord, (name, tenant_id))
            if record is None:
                raise HostNotFoundError(name)
            return record.to_host()

    def list(self, tenant_id: str | None = None) -> tuple[Host, ...]:
        """Return the custom hosts of one tenant, or of all, pending ones too."""
        query = select(HostRecord).order_by(HostRecord.name, HostRecord.created_at)
        if tenant_id is not None:
            query = query.where(HostRecord.tenant_id == tenant_id)
        with self._store.reading() as session:
            return tuple(record.to_host() for record in session.scalars(query))

    def list_page(
        self, *, search: str = "", state: HostState | None = None, cursor: str = "", size: int = 50
    ) -> Slice[Host]:
        """Return a page of all tenants' custom hosts, by name.

        :param search: Part of the name.
        """
        query = select(HostRecord)
        if search:
            query = query.where(contains(search, HostRecord.name))
        if state is not None:
            query = query.where(HostRecord.state == state)
        order = Order((HostRecord.name, HostRecord.tenant_id))
        return read_slice(
            self._store, query, order, convert=HostRecord.to_host, cursor=cursor, size=size
        )

    def list_in(self, state: HostState, *, limit: int) -> tuple[Host, ...]:
        """Return hosts in one state, by name, but none of a deleted tenant: nobody checks those."""
        return self._list_undeleted(HostRecord.state == state, limit=limit)

    def list_waiting(self, before: datetime, *, limit: int) -> tuple[Host, ...]:
        """Return hosts whose proof is awaited since before this moment, like :meth:`list_in`."""
        waits = (HostRecord.state == HostState.PENDING, HostRecord.waiting_since < before)
        return self._list_undeleted(*waits, limit=limit)

    def _list_undeleted(self, *conditions: ColumnElement[bool], limit: int) -> tuple[Host, ...]:
        query = (
            select(HostRecord)
            .join(TenantRecord)
            .where(*conditions, TenantRecord.state != TenantState.DELETED)
            .order_by(HostRecord.name)
            .limit(limit)
        )
        with self._store.reading() as session:
            return tuple(record.to_host() for record in session.scalars(query))

    def read_served(self) -> tuple[int, Mapping[str, tuple[str, ...]]]:
        """Return the present epoch, and the hosts that are served, by the id of their tenant."""
        served: dict[str, tuple[str, ...]] = {}
        with self._store.connection() as connection:
            # First: a change that comes in between is then seen twice, and never missed.
            epoch = connection.scalar(EPOCH) or 0
            for tenant_id, name in connection.execute(SERVED):
                served[tenant_id] = (*served.get(tenant_id, ()), name)
        return epoch, served


def lay_to_rest(session: Session, host: HostRecord) -> None:
    """Keep a host that was served from other tenants for a time; forget those that have rested."""
    session.execute(
        delete(FormerHostRecord).where(FormerHostRecord.released_at <= now() - HOST_REST)
    )
    if host.verified_at is not None:
        former = FormerHostRecord(name=host.name, tenant_id=host.tenant_id, released_at=now())
        session.merge(former)


def find_entry(record: TenantRecord, name: str) -> HostRecord | None:
    """Return what the tenant's record has under this canonical host."""
    return next((entry for entry in record.hosts if entry.name == name), None)


def get_entry(record: TenantRecord, name: str) -> HostRecord:
    """Return what the tenant's record has under this canonical host.

    :raises HostNotFoundError: Nothing.
    """
    entry = find_entry(record, name)
    if entry is None:
        raise HostNotFoundError(name)
    return entry


def check_free(session: Session, name: str) -> None:
    """Refuse a host that is served for a tenant.

    :param session: Of a writing transaction, whose lock lets nobody else verify it meanwhile.
    :raises HostTakenError: It is.
    """
    query = select(HostRecord.name).where(
        HostRecord.name == name, HostRecord.verified_at.is_not(None)
    )
    if session.scalar(query) is not None:
        raise HostTakenError(name)


@dataclass(frozen=True, slots=True)
class Lookalike:
    """What was found before the catalog's lock was taken; see :func:`find_lookalike`."""

    name: str
    """Another tenant's host that people would take for it; empty if there is none."""
    seen: datetime | None
    """All that were served at this moment were looked at; ``None`` if none was."""


def find_lookalike(store: Store, name: str, tenant_id: str) -> Lookalike:
    """Find a host that is served for another tenant and looks like this international one.

    It takes some 0.3 ms for each international host of the platform. So this is done before the
    catalog's lock is taken; under it :func:`check_look` looks at what has come meanwhile.
    """
    if "xn--" not in name:
        return Lookalike("", None)
    moment = now()
    with store.reading() as session:
        own = session.get(HostRecord, (name, tenant_id))
        if own is not None and own.verified_at is not None:
            return Lookalike("", None)  # it is served, so nobody will ask
        return Lookalike(_find_alike(session, name, tenant_id), moment)


def check_look(session: Session, name: str, tenant_id: str, found: Lookalike) -> None:
    """Refuse an international host that looks like one that is served for another tenant (R31).

    It may look like an ASCII one, or like another international one. A host in ASCII is never
    refused: the other one came first, and is the one that deceives.

    :raises BadHostError: It does.
    """
    if "xn--" not in name:
        return
    alike = found.name or _find_alike(session, name, tenant_id, since=found.seen)
    if alike:
        problem = f"it looks like {shown_host(alike)}, another site's domain"
        raise BadHostError(shown_host(name), problem)


def _find_alike(
    session: Session, name: str, tenant_id: str, *, since: datetime | None = None
) -> str:
    look = look_of_host(name)
    international = or_(HostRecord.name.startswith("xn--"), HostRecord.name.contains(".xn--"))
    served = select(HostRecord.name).where(
        HostRecord.tenant_id != tenant_id,
        HostRecord.verified_at.is_not(None),
        or_(HostRecord.name == look, international),
    )
    if since is not None:
        served = served.where(HostRecord.verified_at >= since - CLOCKS_DIFFER)
    others = (other for other in session.scalars(served) if other != name)
    return next((other for other in others if look_of_host(other) == look), "")


def take_from_rest(
    session: Session, name: str, tenant_id: str, *, take_over: bool = False
) -> str | None:
    """Take a host out of its rest; return the id of the tenant that it was taken over from.

    :raises HostRestingError: Another tenant had it a short time ago.
    """
    former = session.get(FormerHostRecord, name)
    if former is None:
        return None
    until = former.released_at + HOST_REST
    is_anothers = former.tenant_id != tenant_id and until > now()
    if is_anothers and not take_over:
        raise HostRestingError(name, f"{until:%Y-%m-%d}")
    session.delete(former)
    return former.tenant_id if is_anothers else None


def verify(entry: HostRecord, proof: HostProof | None) -> None:
    """Let a host be served from now on. An operator's word needs no check of its DNS."""
    if proof is not None:
        entry.state, entry.proof, entry.verified_at = HostState.VERIFIED, proof, now()
        entry.failures, entry.failing_since, entry.warned_at, entry.problem = 0, None, None, ""
        entry.check_at = None if proof == "operator" else now()


def _check_waiting(record: TenantRecord) -> None:
    waiting = sum(entry.verified_at is None for entry in record.hosts)
    if waiting >= MAX_WAITING:
        raise HostLimitError(record.slug, waiting)
