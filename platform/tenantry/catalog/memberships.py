"""Memberships: the owners and staff of each tenant."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, cast

from sqlalchemy import delete, select

from tenantry.catalog.accounts import canonical_email
from tenantry.catalog.api_tokens import forget_api_tokens
from tenantry.catalog.models import (
    AccountRecord,
    MembershipRecord,
    SessionRecord,
    TenantRecord,
)
from tenantry.errors import BadTransitionError, LastOwnerError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor, Role
    from tenantry.values.tenant import Tenant


class Memberships:
    """What accounts are to tenants. Saying the same again changes nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find_role(self, account_id: str, tenant_id: str) -> str | None:
        """Return what the account is to the tenant: ``owner``, ``staff`` or nothing."""
        with self._store.reading() as session:
            record = session.get(MembershipRecord, (account_id, tenant_id))
            return record.role if record is not None else None

    def list(self, account_id: str) -> tuple[tuple[Tenant, str], ...]:
        """Return the tenants that the account owns or works for, by name."""
        query = (
            select(MembershipRecord)
            .join(MembershipRecord.tenant)
            .where(MembershipRecord.account_id == account_id)
            .order_by(TenantRecord.name)
        )
        with self._store.reading() as session:
            return tuple((row.tenant.to_tenant(), row.role) for row in session.scalars(query))

    def add(self, account_id: str, tenant_id: str, role: Role = "owner", *, by: Actor) -> None:
        """Make the account owner or staff of the tenant; another role replaces the one it has.

        :raises AccountNotFoundError: No account has the id.
        :raises TenantNotFoundError: No tenant has the id.
        """
        with self._store.writing(by) as writer:
            account = writer.get_account(account_id)
            add_membership(writer, writer.get_tenant(tenant_id), account, role)

    def list_members(self, tenant_id: str) -> tuple[tuple[Account, Role], ...]:
        """Return who owns or helps to run the tenant, by address."""
        query = (
            select(AccountRecord, MembershipRecord.role)
            .join(MembershipRecord, MembershipRecord.account_id == AccountRecord.id)
            .where(MembershipRecord.tenant_id == tenant_id)
            .order_by(AccountRecord.email)
        )
        with self._store.reading() as session:
            rows = session.execute(query).tuples()
            return tuple((record.to_account(), cast("Role", role)) for record, role in rows)

    def remove(self, account_id: str, tenant_id: str, *, by: Actor) -> None:
        """Take the account's role at the tenant, and its sessions there; at least one owner stays.

        :raises TenantNotFoundError: No tenant has the id.
        :raises LastOwnerError: It is the only owner.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            membership = writer.session.get(MembershipRecord, (account_id, tenant_id))
            if membership is None:
                return
            email, role = membership.account.email, membership.role
            if set(record.owners) == {email}:
                raise LastOwnerError(record.slug, email)
            writer.session.delete(membership)
            writer.session.execute(
                delete(SessionRecord).where(
                    SessionRecord.account_id == account_id, SessionRecord.tenant_id == tenant_id
                )
            )
            forget_api_tokens(writer, account_id, tenant_id=tenant_id)
            writer.named(tenant_id)
            detail = {"email": email, "role": role}
            writer.audit("membership.remove", tenant=record, detail=detail)
            _note_owners(writer, record, set(record.owners) - {email})

    def change_role(self, account_id: str, tenant_id: str, role: Role, *, by: Actor) -> None:
        """Give a member another role; at least one owner stays.

        :raises TenantNotFoundError: No tenant has the id.
        :raises LastOwnerError: It is the only owner.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            membership = writer.session.get(MembershipRecord, (account_id, tenant_id))
            if membership is None or membership.role == role:
                return
            if set(record.owners) == {membership.account.email}:
                raise LastOwnerError(record.slug, membership.account.email)
            add_membership(writer, record, membership.account, role)

    def add_owner(self, tenant_id: str, email: str, *, by: Actor) -> Tenant:
        """Let the account own the tenant, too; it is made if there is none.

        :raises BadEmailError: Not an e-mail address.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: The tenant is deleted.
        """
        return self._change_owners(tenant_id, add=canonical_email(email), by=by)

    def remove_owner(self, tenant_id: str, email: str, *, by: Actor) -> Tenant:
        """Take the tenant from one of its owners; at least one stays.

        :raises LastOwnerError: It has no other owner.
        """
        return self._change_owners(tenant_id, remove=canonical_email(email), by=by)

    def transfer(self, tenant_id: str, email: str, *, by: Actor) -> Tenant:
        """Let the account own the tenant, and nobody else."""
        return self._change_owners(tenant_id, add=canonical_email(email), alone=True, by=by)

    def _change_owners(
        self, tenant_id: str, *, add: str = "", remove: str = "", alone: bool = False, by: Actor
    ) -> Tenant:
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.state == TenantState.DELETED:
                raise BadTransitionError(record.slug, record.state, "another account's")
            before = tuple(record.owners)
            gone = [email for email in before if email == remove or (alone and email != add)]
            if gone and not add and len(before) == len(gone):
                raise LastOwnerError(record.slug, remove)
            if add and add not in before:
                add_membership(writer, record, get_or_add_account(writer, add), "owner")
            query = (
                select(MembershipRecord, AccountRecord.email)
                .join(MembershipRecord.account)
                .where(MembershipRecord.tenant_id == tenant_id, AccountRecord.email.in_(gone))
            )
            for membership, email in writer.session.execute(query).tuples().all():
                forget_api_tokens(writer, membership.account_id, tenant_id=tenant_id)
                writer.session.delete(membership)
                detail = {"email": email, "role": "owner"}
                writer.audit("membership.remove", tenant=record, detail=detail)
            _note_owners(writer, record, set(record.owners) - set(gone))
            return record.to_tenant()


def add_membership(
    writer: Writer, record: TenantRecord, account: AccountRecord, role: Role
) -> None:
    """Make the account owner or staff of the tenant, as a part of what *writer* does."""
    writer.session.merge(MembershipRecord(account_id=account.id, tenant_id=record.id, role=role))
    writer.named(record.id)
    detail = {"email": account.email, "role": role}
    writer.audit("membership.add", tenant=record, detail=detail)
    if role != "owner":
        forget_api_tokens(writer, account.id, tenant_id=record.id)
    others = set(record.owners) - {account.email}
    _note_owners(writer, record, others | {account.email} if role == "owner" else others)


def get_or_add_account(writer: Writer, email: str) -> AccountRecord:
    """Return the account with this canonical address.

    Every writer holds the head's lock, so nobody else adds it now.
    """
    query = select(AccountRecord).where(AccountRecord.email == email)
    record = writer.session.scalar(query)
    if record is None:
        record = AccountRecord(id=uuid.uuid4().hex, email=email, name="", operator=False)
        writer.session.add(record)
        writer.session.flush()
        writer.audit("account.create", detail={"email": email, "operator": False})
    return record


def _note_owners(writer: Writer, record: TenantRecord, owners: set[str]) -> None:
    """Keep in a tenant's own row who owns it: each look-up would join the memberships."""
    if owners != set(record.owners):
        record.owners = sorted(owners)
        writer.changed(record)
