"""Accounts, memberships, sign-in and one-use links in the catalog."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.models import (
    AccountRecord,
    LinkRecord,
    MembershipRecord,
    TenantRecord,
    now,
)
from tenantry.catalog.owners import note_owners
from tenantry.catalog.sessions import forget_sessions
from tenantry.catalog.store import Store, Writer
from tenantry.catalog.tenants import contains, tidy
from tenantry.catalog.values import Account, Actor, Page, Role
from tenantry.errors import (
    AccountExistsError,
    AccountNotFoundError,
    BadEmailError,
    LinkError,
    SignInError,
    TenantNotFoundError,
)
from tenantry.security.keys import new_token
from tenantry.security.passwords import (
    ACCOUNT_MIN_LENGTH,
    check_password,
    hash_password,
    renew_hash,
    verify_password,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from tenantry.values.tenant import Tenant

FIRST_SETUP_LIVES = timedelta(hours=24)
RESET_LIVES = timedelta(hours=1)

_DELIVERABLE = {"localhost", "local", "test"}
"""Mail for these may well arrive: on this machine, in an intranet, in a test."""


def canonical_email(address: str) -> str:
    """Return the one spelling under which an address is kept.

    :raises BadEmailError: It is not an address.
    """
    # Imported here because most commands and requests check no address, and it takes 30 ms.
    import email_validator  # noqa: PLC0415

    # The library documents its list as the place to change; it has no argument for it.
    reserved = email_validator.SPECIAL_USE_DOMAIN_NAMES
    reserved[:] = [name for name in reserved if name not in _DELIVERABLE]
    try:
        checked = email_validator.validate_email(
            address.strip(), check_deliverability=False, globally_deliverable=False
        )
    except email_validator.EmailNotValidError as error:
        raise BadEmailError(address, str(error)) from error
    return checked.normalized.casefold()


def setup_lifetime(account: Account) -> timedelta:
    """Return how long a ``setup`` link of this account works.

    A link that replaces a password in use is worth more to a thief (R53).
    """
    return RESET_LIVES if account.has_password else FIRST_SETUP_LIVES


def check_account_password(password: str, account: Account) -> None:
    """Refuse a new password of an account that is easy to guess.

    :raises WeakPasswordError: With a sentence for the form.
    """
    check_password(password, account.email, account.name, min_length=ACCOUNT_MIN_LENGTH)


class Accounts(Store):
    """What the catalog knows of people."""

    def find_account(self, email: str) -> Account | None:
        """Return the account with this address."""
        with self.reading() as session:
            record = _by_email(session, email)
            return record.to_account() if record is not None else None

    def find_account_by_id(self, account_id: str) -> Account | None:
        """Return the account with this id."""
        with self.reading() as session:
            record = session.get(AccountRecord, account_id)
            return record.to_account() if record is not None else None

    def list_accounts(
        self, *, search: str = "", operators: bool = False, page: int = 1, size: int = 50
    ) -> Page[Account]:
        """Return one page of the accounts whose address or name contains *search*.

        :param operators: Only those that operate the platform.
        """
        query = select(AccountRecord)
        if operators:
            query = query.where(AccountRecord.operator)
        if search:
            query = query.where(contains(search, AccountRecord.email, AccountRecord.name))
        with self.reading() as session:
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            number = min(max(1, page), max(1, -(-total // size)))
            rows = session.scalars(
                query.order_by(AccountRecord.email).limit(size).offset((number - 1) * size)
            )
            return Page(tuple(record.to_account() for record in rows), total, number, size)

    def has_operator(self) -> bool:
        """Say whether anyone can operate the platform: an operator who has set a password."""
        query = select(AccountRecord.id).where(
            AccountRecord.operator, AccountRecord.password_hash.is_not(None)
        )
        with self.reading() as session:
            return session.scalar(query.limit(1)) is not None

    def add_account(
        self, email: str, *, name: str = "", operator: bool = False, by: Actor
    ) -> Account:
        """Add an account without a password; a link of purpose ``setup`` lets its owner set one.

        :raises BadEmailError: Not an e-mail address.
        :raises AccountExistsError: The address has an account.
        """
        record = AccountRecord(
            id=uuid.uuid4().hex,
            email=canonical_email(email),
            name=tidy(name),
            operator=operator,
        )
        try:
            with self.writing(by) as writer:
                writer.session.add(record)
                writer.session.flush()
                detail = {"email": record.email, "operator": operator}
                writer.audit("account.create", detail=detail)
        except IntegrityError as error:
            raise AccountExistsError(record.email) from error
        return record.to_account()

    def sign_in(
        self, email: str, password: str, *, by: Actor, tenant_id: str | None = None
    ) -> Account:
        """Return the account that these credentials open.

        It does not count tries: the caller does, with :class:`~tenantry.limits.SignInThrottle`.

        :param tenant_id: Where it happens, for the audit trail: a tenant's host, or the apex.
        :raises SignInError: They open none. The answer is the same, in words and in time, whether or
            not the address has an account.
        :raises HashingBusyError: As many passwords are being checked as may be.
        """
        with self.reading() as session:
            record = _by_email(session, email)
        hashed = record.password_hash if record is not None else None
        if not verify_password(hashed, password) or record is None:
            with self.writing(by) as writer:
                self._audit_sign_in(writer, "account.sign-in-failed", record, tenant_id)
            raise SignInError
        rehashed = renew_hash(record.password_hash or "", password)
        with self.writing(by) as writer:
            if rehashed:
                found = writer.session.get(AccountRecord, record.id)
                if found is not None and found.password_hash == hashed:
                    found.password_hash = rehashed  # unless it was changed meanwhile
            self._audit_sign_in(writer, "account.sign-in", record, tenant_id)
        return record.to_account()

    def set_password(self, account_id: str, password: str, *, by: Actor) -> Account:
        """Set a new password and end every session of the account (R25).

        :raises WeakPasswordError: It is too easy to guess.
        """
        account = self.find_account_by_id(account_id)
        if account is None:
            raise AccountNotFoundError(account_id)
        check_account_password(password, account)
        hashed = hash_password(password)
        with self.writing(by) as writer:
            return self._write_password(writer, account_id, hashed)

    def use_setup_link(self, token: str, password: str, *, by: Actor) -> Account:
        """Use a ``setup`` link up by setting the password of the account that it is for.

        :raises LinkError: It is unknown, used or expired.
        :raises WeakPasswordError: The password is too easy to guess; the link can be used again.
        :raises HashingBusyError: As many passwords are being hashed as may be; so it can here.
        """
        account = self.peek_link("setup", token)
        check_account_password(password, account)
        hashed = hash_password(password)
        with self.writing(by) as writer:
            link = _link(writer.session, "setup", token, None)
            writer.audit("link.setup.used", detail={"email": account.email})
            return self._write_password(writer, link.account_id, hashed)

    @staticmethod
    def _write_password(writer: Writer, account_id: str, hashed: str) -> Account:
        """Set a hash; sessions and other ways to set a password end."""
        record = _account(writer.session, account_id)
        record.password_hash = hashed
        forget_sessions(writer, account_id)
        writer.session.execute(
            delete(LinkRecord).where(
                LinkRecord.account_id == account_id, LinkRecord.purpose == "setup"
            )
        )
        writer.audit("account.password", detail={"email": record.email})
        return record.to_account()

    def add_membership(
        self, account_id: str, tenant_id: str, role: Role = "owner", *, by: Actor
    ) -> None:
        """Make the account owner or staff of the tenant; saying it again changes the role.

        :raises AccountNotFoundError: No account has the id.
        :raises TenantNotFoundError: No tenant has the id.
        """
        with self.writing(by) as writer:
            account = _account(writer.session, account_id)
            tenant = _tenant(writer.session, tenant_id)
            writer.session.merge(
                MembershipRecord(account_id=account_id, tenant_id=tenant_id, role=role)
            )
            detail = {"email": account.email, "role": role}
            writer.audit("membership.add", tenant=tenant, detail=detail)
            note_owners(writer, tenant)

    def find_role(self, account_id: str, tenant_id: str) -> str | None:
        """Return what the account is to the tenant: ``owner``, ``staff`` or nothing."""
        with self.reading() as session:
            record = session.get(MembershipRecord, (account_id, tenant_id))
            return record.role if record is not None else None

    def list_memberships(self, account_id: str) -> tuple[tuple[Tenant, str], ...]:
        """Return the tenants that the account owns or works for, by name."""
        query = (
            select(MembershipRecord)
            .join(MembershipRecord.tenant)
            .where(MembershipRecord.account_id == account_id)
            .order_by(TenantRecord.name)
        )
        with self.reading() as session:
            return tuple((row.tenant.to_tenant(), row.role) for row in session.scalars(query))

    def create_link(
        self,
        purpose: str,
        *,
        account_id: str,
        lifetime: timedelta,
        tenant_id: str | None = None,
        by: Actor,
    ) -> str:
        """Return the token of a new one-use link; the catalog keeps only its hash.

        An older ``setup`` link of the account stops working.

        :raises AccountNotFoundError: No account has the id.
        :raises TenantNotFoundError: No tenant has the id.
        """
        token = new_token()
        with self.writing(by) as writer:
            session = writer.session
            email = _account(session, account_id).email
            tenant = _tenant(session, tenant_id) if tenant_id else None
            session.execute(delete(LinkRecord).where(LinkRecord.expires_at < now()))
            if purpose == "setup":
                session.execute(
                    delete(LinkRecord).where(
                        LinkRecord.account_id == account_id, LinkRecord.purpose == purpose
                    )
                )
            session.add(
                LinkRecord(
                    hash=_hash(token),
                    purpose=purpose,
                    account_id=account_id,
                    tenant_id=tenant_id,
                    expires_at=now() + lifetime,
                )
            )
            writer.audit(f"link.{purpose}", tenant=tenant, detail={"email": email})
        return token

    def peek_link(self, purpose: str, token: str, *, tenant_id: str | None = None) -> Account:
        """Return whose link this is, without using it up.

        :raises LinkError: It is unknown, used, expired or for another tenant.
        """
        with self.reading() as session:
            return _account(
                session, _link(session, purpose, token, tenant_id).account_id
            ).to_account()

    def use_link(
        self, purpose: str, token: str, *, tenant_id: str | None = None, by: Actor
    ) -> Account:
        """Use a link up and return whose it was.

        :raises LinkError: It is unknown, used, expired or for another tenant.
        """
        with self.writing(by) as writer:
            link = _link(writer.session, purpose, token, tenant_id)
            account = _account(writer.session, link.account_id)
            tenant = writer.session.get(TenantRecord, tenant_id) if tenant_id else None
            writer.session.delete(link)
            writer.audit(f"link.{purpose}.used", tenant=tenant, detail={"email": account.email})
            return account.to_account()

    @staticmethod
    def _audit_sign_in(
        writer: Writer, action: str, record: AccountRecord | None, tenant_id: str | None
    ) -> None:
        tenant = writer.session.get(TenantRecord, tenant_id) if tenant_id else None
        # What was typed for an unknown address may be a password: it is not kept.
        writer.audit(action, tenant=tenant, detail={"email": record.email if record else None})


def spell_email(typed: str) -> str:
    """Return the spelling under which an account would be kept, also of what is no address."""
    return _canonical(typed) or typed.strip().casefold()


def _canonical(email: str) -> str | None:
    """Return the spelling under which an account would be kept: whoever signs in may use another."""
    try:
        return canonical_email(email)
    except BadEmailError:
        return None


def _by_email(session: Session, email: str) -> AccountRecord | None:
    spelt = _canonical(email)
    if spelt is None:
        return None
    found: Sequence[AccountRecord] = session.scalars(
        select(AccountRecord).where(AccountRecord.email == spelt)
    ).all()
    return found[0] if found else None


def _tenant(session: Session, tenant_id: str) -> TenantRecord:
    record = session.get(TenantRecord, tenant_id)
    if record is None:
        raise TenantNotFoundError(tenant_id)
    return record


def _account(session: Session, account_id: str) -> AccountRecord:
    record = session.get(AccountRecord, account_id)
    if record is None:
        raise AccountNotFoundError(account_id)
    return record


def _link(session: Session, purpose: str, token: str, tenant_id: str | None) -> LinkRecord:
    link = session.get(LinkRecord, _hash(token), with_for_update=True)
    if (
        link is None
        or link.purpose != purpose
        or link.tenant_id != tenant_id
        or link.expires_at <= now()
    ):
        raise LinkError
    return link


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
