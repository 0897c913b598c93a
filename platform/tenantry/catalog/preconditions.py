"""What a caller requires of a tenant: that it is still at the revision that the caller has read.

The first transaction that touches the tenant checks it, and holds the lock under which it changes. So
nothing can come between the check and the change.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.models import TenantRecord
from tenantry.errors import TenantChangedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Connection


@dataclass(slots=True)
class _Precondition:
    tenant_id: str
    revision: int
    is_met: bool = False


_wanted: ContextVar[_Precondition | None] = ContextVar("precondition", default=None)


@contextmanager
def at_revision(tenant_id: str, revision: int) -> Iterator[None]:
    """Let the block change the tenant only if it is at this revision when its first change is made.

    A job that the block asks for is added on the same condition.

    :raises TenantChangedError: It is at another one.
    """
    token = _wanted.set(_Precondition(tenant_id, revision))
    try:
        yield
    finally:
        _wanted.reset(token)


def check_revision(record: TenantRecord) -> None:
    """Check a tenant that is about to be changed; its own changes are not held against it.

    :raises TenantChangedError: It is at another revision.
    """
    wanted = _wanted.get()
    if wanted is None or wanted.is_met or wanted.tenant_id != record.id:
        return
    if wanted.revision != record.revision:
        raise TenantChangedError(record.slug, record.revision)
    wanted.is_met = True


def check_revision_of(connection: Connection, tenant_ids: Collection[str | None]) -> None:
    """Like :func:`check_revision`, for a transaction that adds jobs of tenants.

    :raises TenantChangedError: The tenant is at another revision.
    """
    wanted = _wanted.get()
    if wanted is None or wanted.tenant_id not in tenant_ids:
        return
    query = select(TenantRecord.id, TenantRecord.slug, TenantRecord.revision)
    query = query.where(TenantRecord.id == wanted.tenant_id).with_for_update()
    if (found := connection.execute(query).one_or_none()) is not None:
        check_revision(found)  # type: ignore[arg-type]  # a row with what it looks at
