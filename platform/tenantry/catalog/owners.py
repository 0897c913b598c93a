"""What every change of a tenant's owners has in common."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.models import AccountRecord, MembershipRecord

if TYPE_CHECKING:
    from tenantry.catalog.models import TenantRecord
    from tenantry.catalog.store import Writer


def note_owners(writer: Writer, record: TenantRecord) -> None:
    """Keep in a tenant's own row who owns it, after its memberships were changed."""
    writer.session.flush()
    query = (
        select(AccountRecord.email)
        .join(MembershipRecord, MembershipRecord.account_id == AccountRecord.id)
        .where(MembershipRecord.tenant_id == record.id, MembershipRecord.role == "owner")
        .order_by(AccountRecord.email)
    )
    owners = list(writer.session.scalars(query))
    if owners != list(record.owners or ()):
        record.owners = owners
        writer.changed(record)


def account_id_of(writer: Writer, email: str) -> str:
    """Return the id of the account with this canonical address, making the account if need be.

    Every writer holds the head's lock, so nobody else adds it now.
    """
    query = select(AccountRecord.id).where(AccountRecord.email == email)
    found = writer.session.scalar(query)
    if found is not None:
        return found
    record = AccountRecord(id=uuid.uuid4().hex, email=email, name="", operator=False)
    writer.session.add(record)
    writer.session.flush()
    writer.audit("account.create", detail={"email": email, "operator": False})
    return record.id
