"""Custom hosts in the catalog: add, verify, remove, and reserve removed ones for 30 days.

A host that a tenant has given up may still be in people's bookmarks and in DNS. So for a time only the
tenant that had it may have it again, unless an operator says otherwise.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.models import FormerHostRecord, HostRecord, now
from tenantry.catalog.values import Host, HostState
from tenantry.errors import HostNotFoundError, HostRestingError, HostTakenError
from tenantry.values.hosts import canonical_host, check_scripts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tenantry.catalog.models import TenantRecord
    from tenantry.catalog.store import Store
    from tenantry.catalog.values import Actor, HostProof
    from tenantry.values.tenant import Tenant

HOST_REST = timedelta(days=30)
"""How long a host that was served rests before another tenant may have it."""


class CustomHosts:
    """What the catalog knows of custom hosts.

    :param domain: The platform's domain; nobody can claim a host under it.
    :param backend_host: The operators' own host, if there is one; nobody can claim that either.
    """

    def __init__(self, store: Store, *, domain: str, backend_host: str) -> None:
        self._store = store
        self._domain = domain
        self._backend_host = backend_host

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

        The one verified first is where the tenant's links point.

        :param proof: How it was verified; without, it is pending and not served. It also verifies a
            pending one.
        :param take_over: Also while it rests after another tenant had it.
        :raises BadHostError: Not a full host name, or one that mixes scripts.
        :raises HostTakenError: Another tenant has it, or it lies under the platform's domain.
        :raises HostRestingError: Another tenant had it a short time ago.
        """
        name = check_scripts(canonical_host(host))
        if name in {self._domain, self._backend_host} or name.endswith("." + self._domain):
            raise HostTakenError(name)
        try:
            with self._store.writing(by) as writer:
                record = writer.get_tenant(tenant_id)
                entry = _find(record, name)
                if entry is None:
                    before = _claim(writer.session, name, tenant_id, take_over=take_over)
                    entry = HostRecord(name=name, state=HostState.PENDING, proof="")
                    record.hosts.append(entry)
                    detail = {"host": name, "proof": proof or "none yet"}
                    if before is not None:
                        detail["taken_over_from"] = before
                    _verify(entry, proof)
                    writer.change(record, "host.add", detail)
                elif proof is not None and entry.state != HostState.VERIFIED:
                    _verify(entry, proof)
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
            found = _find(record, name)
            if found is None:
                raise HostNotFoundError(name)
            lay_to_rest(writer.session, found)
            record.hosts.remove(found)
            writer.session.delete(found)
            writer.change(record, "host.remove", {"host": name})
            return record.to_tenant()

    def list(self, tenant_id: str | None = None) -> tuple[Host, ...]:
        """Return the custom hosts of one tenant, or of all, pending ones too."""
        query = select(HostRecord).order_by(HostRecord.name)
        if tenant_id is not None:
            query = query.where(HostRecord.tenant_id == tenant_id)
        with self._store.reading() as session:
            return tuple(record.to_host() for record in session.scalars(query))


def lay_to_rest(session: Session, host: HostRecord) -> None:
    """Keep a host that was served from other tenants for a time; forget those that have rested."""
    session.execute(
        delete(FormerHostRecord).where(FormerHostRecord.released_at <= now() - HOST_REST)
    )
    if host.verified_at is not None:
        former = FormerHostRecord(name=host.name, tenant_id=host.tenant_id, released_at=now())
        session.merge(former)


def _find(record: TenantRecord, name: str) -> HostRecord | None:
    return next((entry for entry in record.hosts if entry.name == name), None)


def _claim(session: Session, name: str, tenant_id: str, *, take_over: bool) -> str | None:
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


def _verify(entry: HostRecord, proof: HostProof | None) -> None:
    if proof is not None:
        entry.state, entry.proof, entry.verified_at = HostState.VERIFIED, proof, now()
