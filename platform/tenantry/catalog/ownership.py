"""Who owns a tenant: the one place that says so, for the backend and for the tenant's own site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from tenantry.catalog.accounts import canonical_email
from tenantry.catalog.models import AccountRecord, MembershipRecord
from tenantry.catalog.names import locked
from tenantry.catalog.owners import account_id_of, note_owners
from tenantry.catalog.store import Store
from tenantry.errors import BadTransitionError, LastOwnerError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.catalog.models import TenantRecord
    from tenantry.catalog.store import Writer
    from tenantry.catalog.values import Actor
    from tenantry.values.tenant import Tenant


class Ownership(Store):
    """Changes of a tenant's owners. Saying the same again changes nothing."""

    def add_owner(self, tenant_id: str, email: str, *, by: Actor) -> Tenant:
        """Let the account own the tenant, too; it is made if there is none.

        :raises BadEmailError: Not an e-mail address.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: The tenant is deleted.
        """
        return self._change(tenant_id, add=canonical_email(email), by=by)

    def remove_owner(self, tenant_id: str, email: str, *, by: Actor) -> Tenant:
        """Take the tenant from one of its owners; at least one stays.

        :raises LastOwnerError: It has no other owner.
        """
        return self._change(tenant_id, remove=canonical_email(email), by=by)

    def transfer_ownership(self, tenant_id: str, email: str, *, by: Actor) -> Tenant:
        """Let the account own the tenant, and nobody else."""
        return self._change(tenant_id, add=canonical_email(email), alone=True, by=by)

    def _change(
        self, tenant_id: str, *, add: str = "", remove: str = "", alone: bool = False, by: Actor
    ) -> Tenant:
        with self.writing(by) as writer:
            record = locked(writer.session, tenant_id)
            if record.state == TenantState.DELETED:
                raise BadTransitionError(record.slug, record.state, "another account's")
            before = tuple(record.owners)
            gone = [email for email in before if email == remove or (alone and email != add)]
            if gone and not add and len(before) == len(gone):
                raise LastOwnerError(record.slug, remove)
            if add and add not in before:
                _add(writer, record, add)
            _remove(writer, record, gone)
            note_owners(writer, record)
            return record.to_tenant()


def _add(writer: Writer, record: TenantRecord, email: str) -> None:
    account_id = account_id_of(writer, email)
    writer.session.merge(MembershipRecord(account_id=account_id, tenant_id=record.id, role="owner"))
    writer.audit("membership.add", tenant=record, detail={"email": email, "role": "owner"})


def _remove(writer: Writer, record: TenantRecord, emails: Sequence[str]) -> None:
    query = (
        select(MembershipRecord, AccountRecord.email)
        .join(AccountRecord, MembershipRecord.account_id == AccountRecord.id)
        .where(MembershipRecord.tenant_id == record.id, AccountRecord.email.in_(emails))
    )
    for membership, email in writer.session.execute(query).tuples().all():
        writer.session.delete(membership)
        writer.audit("membership.remove", tenant=record, detail={"email": email, "role": "owner"})
