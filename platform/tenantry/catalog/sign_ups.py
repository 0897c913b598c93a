"""Sign-ups in the catalog: a site opens with its owner, waits for a confirmed address, or is given up.

Addresses are unique, but until one is confirmed nobody knows whose it is. A sign-up with an address
that another account has gets a provisional account, so that its answer tells nothing (R34). When the
link in the mail is used, the site goes to the account that has the address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from tenantry.catalog.accounts import forget_account
from tenantry.catalog.links import get_link
from tenantry.catalog.memberships import add_membership
from tenantry.catalog.models import AccountRecord, MembershipRecord, TenantRecord, now
from tenantry.catalog.text import storable
from tenantry.catalog.values import PROVISIONAL
from tenantry.errors import BadTransitionError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class NewOwner:
    """Who signs up."""

    id: str
    """The account's id; the same form that is sent twice has the same one."""
    email: str
    """Canonical."""
    password_hash: str
    terms_version: str = ""


class SignUps:
    """Sites whose owners signed up for them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def open(
        self,
        tenant_id: str,
        owner: NewOwner | Account,
        *,
        schema: str = "",
        held_until: datetime | None,
        by: Actor,
    ) -> tuple[Tenant, Account]:
        """Let visitors in to a tenant that is being made, and give it its owner.

        :param owner: An account, or who gets one.
        :param schema: The revision of the tenant's database.
        :param held_until: When the tenant is given up unless the owner's address is confirmed.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: The tenant is not in state *provisioning*.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.state != TenantState.PROVISIONING:
                raise BadTransitionError(record.slug, record.state, TenantState.ACTIVE)
            if isinstance(owner, NewOwner):
                account = _add_account(writer, owner)
            else:
                account = writer.get_account(owner.id)
            add_membership(writer, record, account, "owner")
            record.reason, record.schema_revision = "", schema
            record.held_until, record.quiet = held_until, held_until is not None
            writer.change_state(record, TenantState.ACTIVE)
            return record.to_tenant(), account.to_account()

    def confirm(self, token: str, *, by: Actor) -> Account:
        """Use a ``confirm`` link up: the address is its account's, whose sites are released.

        A provisional account ends here. If the account that has the address has confirmed it, the sites
        go there; otherwise the one that is confirmed first keeps the address.

        :raises LinkError: It is unknown, used or expired.
        """
        with self._store.writing(by) as writer:
            link = get_link(writer.session, "confirm", token)
            record = writer.get_account(link.account_id)
            writer.session.delete(link)
            if record.to_account().is_provisional:
                record = _settle(writer, record)
            record.confirmed_at = record.confirmed_at or now()
            writer.audit("account.confirm", detail={"email": record.email})
            for tenant in _owned(writer, record.id):
                if tenant.held_until is not None:
                    tenant.held_until, tenant.quiet = None, False
                    writer.change(tenant, "tenant.release")
            return record.to_account()

    def count_held(self) -> int:
        """Return how many sites wait for a confirmation."""
        query = select(func.count()).where(TenantRecord.held_until.is_not(None))
        with self._store.reading() as session:
            return session.scalar(query) or 0

    def list_expired(self, *, skip: int = 0, limit: int = 100) -> tuple[str, ...]:
        """Return the slugs of sites whose time to be confirmed is over, the longest over first.

        :param skip: How many of the first ones are left out.
        """
        query = (
            select(TenantRecord.slug)
            .where(TenantRecord.held_until <= now())
            .order_by(TenantRecord.held_until, TenantRecord.id)
            .offset(skip)
            .limit(limit)
        )
        with self._store.reading() as session:
            return tuple(session.scalars(query))

    def give_up(self, tenant_id: str, *, by: Actor) -> None:
        """Free the slug of a deleted tenant that nobody confirmed, and forget who signed up for it.

        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: It is not deleted.
        """
        with self._store.writing(by) as writer:
            record = writer.get_tenant(tenant_id)
            if record.state != TenantState.DELETED:
                raise BadTransitionError(record.slug, record.state, "given up")
            before, record.held_until = record.slug, None
            record.slug = f"unconfirmed-{record.id[:26]}"
            owners = _unconfirmed_owners(writer, tenant_id)
            for owner in owners:
                mine = MembershipRecord.account_id == owner.id
                writer.session.execute(
                    delete(MembershipRecord).where(mine, MembershipRecord.tenant_id == tenant_id)
                )
                if writer.session.scalar(select(func.count()).where(mine)) == 0:
                    forget_account(writer, owner)
            record.owners = sorted(set(record.owners) - {owner.email for owner in owners})
            writer.change(record, "tenant.give-up", {"before": before, "after": record.slug})


def _add_account(writer: Writer, owner: NewOwner) -> AccountRecord:
    taken = _find(writer, owner.email) is not None
    record = AccountRecord(
        id=owner.id,
        email=f"{owner.id}@{PROVISIONAL}" if taken else owner.email,
        pending_email=owner.email if taken else "",
        name="",
        operator=False,
        password_hash=owner.password_hash,
        terms_version=storable(owner.terms_version, 40),
        terms_at=now() if owner.terms_version else None,
    )
    writer.session.add(record)
    writer.session.flush()
    detail = {"email": record.email, "terms": record.terms_version}
    writer.audit("account.sign-up", detail=detail)
    return record


def _settle(writer: Writer, provisional: AccountRecord) -> AccountRecord:
    """Return the account that has the address from now on; *provisional* may be gone."""
    address = provisional.pending_email
    holder = _find(writer, address)
    if holder is not None and holder.confirmed_at is not None:
        tenants = _owned(writer, provisional.id)
        forget_account(writer, provisional)
        for tenant in tenants:
            tenant.owners = sorted(set(tenant.owners) - {provisional.email})
            add_membership(writer, tenant, holder, "owner")
        return holder
    if holder is not None:
        _change_email(writer, holder, f"{holder.id}@{PROVISIONAL}")
        holder.pending_email = address
        writer.session.flush()
    _change_email(writer, provisional, address)
    provisional.pending_email = ""
    return provisional


def _change_email(writer: Writer, record: AccountRecord, email: str) -> None:
    for tenant in _owned(writer, record.id):
        tenant.owners = sorted({email if it == record.email else it for it in tenant.owners})
        writer.changed(tenant)
    record.email = email


def _find(writer: Writer, email: str) -> AccountRecord | None:
    return writer.session.scalar(select(AccountRecord).where(AccountRecord.email == email))


def _owned(writer: Writer, account_id: str) -> list[TenantRecord]:
    query = (
        select(TenantRecord)
        .join(MembershipRecord, MembershipRecord.tenant_id == TenantRecord.id)
        .where(MembershipRecord.account_id == account_id, MembershipRecord.role == "owner")
        .order_by(TenantRecord.id)
    )
    return list(writer.session.scalars(query))


def _unconfirmed_owners(writer: Writer, tenant_id: str) -> list[AccountRecord]:
    query = (
        select(AccountRecord)
        .join(MembershipRecord, MembershipRecord.account_id == AccountRecord.id)
        .where(MembershipRecord.tenant_id == tenant_id, AccountRecord.confirmed_at.is_(None))
    )
    return list(writer.session.scalars(query))
