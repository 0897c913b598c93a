"""Invitations: an address is offered a role at a site, its ownership, or a sign-up."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from tenantry.catalog.accounts import canonical_email
from tenantry.catalog.memberships import add_membership
from tenantry.catalog.models import InvitationRecord, MembershipRecord, TenantRecord, now
from tenantry.errors import BadTransitionError, LinkError, TooManyInvitationsError
from tenantry.security.keys import new_token
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor, Invitation, InvitationRole
    from tenantry.values.tenant import Tenant

LIVES = timedelta(days=7)
MOST_OPEN = 50
"""Of one site."""


class Invitations:
    """What the catalog knows of invitations that nobody has used."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create(
        self, email: str, role: InvitationRole, *, tenant_id: str | None = None, by: Actor
    ) -> str:
        """Return the token of a new invitation; an older one of the address to the same site ends.

        :param role: At the site; ``signup`` for a new site, without *tenant_id*.
        :raises BadEmailError: Not an e-mail address.
        :raises TenantNotFoundError: No tenant has the id.
        :raises BadTransitionError: The tenant is deleted.
        :raises TooManyInvitationsError: The site has too many open ones.
        """
        address, token = canonical_email(email), new_token()
        with self._store.writing(by) as writer:
            session = writer.session
            tenant = writer.get_tenant(tenant_id) if tenant_id is not None else None
            if tenant is not None and tenant.state == TenantState.DELETED:
                raise BadTransitionError(tenant.slug, tenant.state, "shared")
            same_site = InvitationRecord.tenant_id == tenant_id
            session.execute(delete(InvitationRecord).where(InvitationRecord.expires_at <= now()))
            session.execute(
                delete(InvitationRecord).where(InvitationRecord.email == address, same_site)
            )
            if tenant is not None and len(_open(session, tenant.id)) >= MOST_OPEN:
                raise TooManyInvitationsError(tenant.slug, MOST_OPEN)
            record = InvitationRecord(
                hash=_hash(token),
                tenant_id=tenant_id,
                email=address,
                role=role,
                invited_by=by.label[:254],
                invited_by_id=by.account_id,
                expires_at=now() + LIVES,
            )
            session.add(record)
            writer.audit("invitation.create", tenant=tenant, detail=_detail(record))
        return token

    def list(self, tenant_id: str) -> tuple[Invitation, ...]:
        """Return the site's open invitations, by address."""
        with self._store.reading() as session:
            return tuple(record.to_invitation() for record in _open(session, tenant_id))

    def find(self, token: str) -> Invitation:
        """Return the invitation with this token.

        :raises LinkError: It is unknown, used, withdrawn or expired.
        """
        with self._store.reading() as session:
            return _get(session, token).to_invitation()

    def withdraw(self, tenant_id: str, hash_: str, *, by: Actor) -> bool:
        """End an invitation of the site; say whether there was one."""
        with self._store.writing(by) as writer:
            record = writer.session.get(InvitationRecord, hash_)
            if record is None or record.tenant_id != tenant_id:
                return False
            writer.session.delete(record)
            writer.audit("invitation.withdraw", tenant=tenant_id, detail=_detail(record))
            return True

    def use_sign_up(self, token: str, *, by: Actor) -> None:
        """Use an invitation to sign up.

        :raises LinkError: It is unknown, used or expired, or one to a site.
        """
        with self._store.writing(by) as writer:
            record = _get(writer.session, token)
            if record.role != "signup":
                raise LinkError
            writer.session.delete(record)
            writer.audit("invitation.used", detail=_detail(record))

    def accept(self, token: str, account: Account, *, by: Actor) -> Tenant:
        """Give the account what the invitation offers, and confirm its address: the mail reached it.

        A transfer makes the account an owner, and the one who offered it staff.

        :raises LinkError: It is unknown, used or expired, for another address, or who offered the
            site does not own it any more.
        """
        with self._store.writing(by) as writer:
            record, person = _get(writer.session, token), writer.get_account(account.id)
            if record.tenant_id is None or record.email != person.email:
                raise LinkError
            tenant = writer.get_tenant(record.tenant_id)
            before = writer.session.get(MembershipRecord, (person.id, tenant.id))
            if tenant.state == TenantState.DELETED:
                raise LinkError
            role = "owner" if record.role == "transfer" or before_is_owner(before) else record.role
            add_membership(writer, tenant, person, "owner" if role == "owner" else "staff")
            if record.role == "transfer":
                _step_down(writer, tenant, record)
            person.confirmed_at = person.confirmed_at or now()
            writer.session.delete(record)
            writer.audit("invitation.used", tenant=tenant, detail=_detail(record))
            return tenant.to_tenant()


def before_is_owner(membership: MembershipRecord | None) -> bool:
    """Say whether somebody owns the site already, which no invitation takes away."""
    return membership is not None and membership.role == "owner"


def _step_down(writer: Writer, tenant: TenantRecord, record: InvitationRecord) -> None:
    """Make the account that has offered a site staff of it."""
    key = (record.invited_by_id, tenant.id)
    giver = writer.session.get(MembershipRecord, key) if record.invited_by_id else None
    if not before_is_owner(giver):
        raise LinkError
    assert giver is not None
    if giver.account.email != record.email:
        add_membership(writer, tenant, giver.account, "staff")


def _open(session: Session, tenant_id: str) -> list[InvitationRecord]:
    query = (
        select(InvitationRecord)
        .where(InvitationRecord.tenant_id == tenant_id, InvitationRecord.expires_at > now())
        .order_by(InvitationRecord.email)
    )
    return list(session.scalars(query))


def _get(session: Session, token: str) -> InvitationRecord:
    record = session.get(InvitationRecord, _hash(token), with_for_update=True)
    if record is None or record.expires_at <= now():
        raise LinkError
    return record


def _detail(record: InvitationRecord) -> dict[str, str]:
    return {"email": record.email, "role": record.role}


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
