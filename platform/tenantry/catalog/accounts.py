"""Accounts in the catalog: create, find, sign in, set passwords."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tenantry.catalog.api_tokens import forget_api_tokens
from tenantry.catalog.links import forget_links, get_link
from tenantry.catalog.models import AccountRecord, MembershipRecord, now
from tenantry.catalog.second_factors import forget_second_factors
from tenantry.catalog.sessions import forget_sessions
from tenantry.catalog.text import storable
from tenantry.catalog.word_index import add_people, find_people
from tenantry.catalog.word_search import ACCOUNT_WORDS, has_words
from tenantry.errors import (
    AccountExistsError,
    AccountNotFoundError,
    BadEmailError,
    SignInError,
)
from tenantry.security.passwords import (
    ACCOUNT_MIN_LENGTH,
    check_password,
    hash_password,
    renew_hash,
    verify_password,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tenantry.catalog.store import Store, Writer
    from tenantry.catalog.values import Account, Actor, Page

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


class Accounts:
    """What the catalog knows of people."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, email: str) -> Account | None:
        """Return the account with this address."""
        with self._store.reading() as session:
            record = _by_email(session, email)
            return record.to_account() if record is not None else None

    def find_by_id(self, account_id: str) -> Account | None:
        """Return the account with this id."""
        with self._store.reading() as session:
            record = session.get(AccountRecord, account_id)
            return record.to_account() if record is not None else None

    def list(
        self, *, search: str = "", operators: bool = False, page: int = 1, size: int = 50
    ) -> Page[Account]:
        """Return one page of the accounts that have the words of *search* in their address or name.

        :param operators: Only those that operate the platform.
        """
        query = select(AccountRecord)
        if operators:
            query = query.where(AccountRecord.operator)
        if search:
            query = query.where(has_words(self._store, search, ACCOUNT_WORDS, AccountRecord.id))
        return self._store.read_page(
            query, AccountRecord.email, convert=AccountRecord.to_account, page=page, size=size
        )

    def add_missing_words(self) -> int:
        """Let a search find accounts that a node of an older release has added; return how many."""
        with self._store.connection() as connection:
            people = find_people(connection)
        if people:
            with self._store.updating() as connection:
                add_people(connection, people)
        return len(people)

    def has_operator(self) -> bool:
        """Say whether anyone can operate the platform: an operator who has set a password."""
        query = select(AccountRecord.id).where(
            AccountRecord.operator, AccountRecord.password_hash.is_not(None)
        )
        with self._store.reading() as session:
            return session.scalar(query.limit(1)) is not None

    def add(self, email: str, *, name: str = "", operator: bool = False, by: Actor) -> Account:
        """Add an account without a password; a link of purpose ``setup`` lets its owner set one.

        :raises BadEmailError: Not an e-mail address.
        :raises AccountExistsError: The address has an account.
        """
        record = AccountRecord(
            id=uuid.uuid4().hex,
            email=canonical_email(email),
            name=storable(name),
            operator=operator,
        )
        try:
            with self._store.writing(by) as writer:
                writer.session.add(record)
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
        with self._store.reading() as session:
            record = _by_email(session, email)
        hashed = record.password_hash if record is not None else None
        # What was typed for an unknown address may be a password: it is not kept.
        detail = {"email": record.email if record is not None else None}
        if not verify_password(hashed, password) or record is None:
            with self._store.writing(by) as writer:
                writer.audit("account.sign-in-failed", tenant=tenant_id, detail=detail)
            raise SignInError
        rehashed = renew_hash(record.password_hash or "", password)
        with self._store.writing(by) as writer:
            if rehashed:
                found = writer.session.get(AccountRecord, record.id)
                if found is not None and found.password_hash == hashed:
                    found.password_hash = rehashed  # unless it was changed meanwhile
            writer.audit("account.sign-in", tenant=tenant_id, detail=detail)
        return record.to_account()

    def add_invited(self, email: str, *, name: str, password: str, by: Actor) -> Account:
        """Add an account whose address is confirmed: its holder has used a link in a mail.

        :raises AccountExistsError: The address has an account.
        :raises WeakPasswordError: The password is too easy to guess.
        :raises HashingBusyError: As many passwords are being hashed as may be.
        """
        check_password(password, email, name, min_length=ACCOUNT_MIN_LENGTH)
        hashed = hash_password(password)
        added = self.add(email, name=name, by=by)
        with self._store.writing(by) as writer:
            writer.get_account(added.id).confirmed_at = now()
            return _write_password(writer, added.id, hashed)

    def set_password(self, account_id: str, password: str, *, by: Actor) -> Account:
        """Set a new password and end every session of the account (R25).

        :raises AccountNotFoundError: No account has the id.
        :raises WeakPasswordError: It is too easy to guess.
        """
        account = self.find_by_id(account_id)
        if account is None:
            raise AccountNotFoundError(account_id)
        check_account_password(password, account)
        hashed = hash_password(password)
        with self._store.writing(by) as writer:
            return _write_password(writer, account_id, hashed)

    def use_setup_link(self, token: str, password: str, *, by: Actor) -> Account:
        """Use a ``setup`` link up by setting the password of the account that it is for.

        :raises LinkError: It is unknown, used or expired.
        :raises WeakPasswordError: The password is too easy to guess; the link can be used again.
        :raises HashingBusyError: As many passwords are being hashed as may be; so it can here.
        """
        with self._store.reading() as session:
            link = get_link(session, "setup", token)
            account = session.get_one(AccountRecord, link.account_id).to_account()
        check_account_password(password, account)
        hashed = hash_password(password)
        with self._store.writing(by) as writer:
            link = get_link(writer.session, "setup", token)
            record = writer.get_account(link.account_id)
            # The link reached its holder by mail, or from an operator.
            record.confirmed_at = record.confirmed_at or now()
            writer.audit("link.setup.used", detail={"email": account.email})
            return _write_password(writer, link.account_id, hashed)

    def sign_in_as(self, issuer: str, subject: str, email: str, *, by: Actor) -> Account:
        """Return the account of an OpenID Connect subject, for which its issuer has vouched.

        The first time it is the confirmed account with the subject's address; from then on the subject
        alone counts, whatever its address.

        :param email: An address that the issuer has verified.
        :raises SignInError: There is no such account, or it belongs to another subject.
        """
        identity = hashlib.sha256(f"{issuer}\0{subject}".encode()).hexdigest()
        with self._store.writing(by) as writer:
            session = writer.session
            record = session.scalar(select(AccountRecord).where(AccountRecord.identity == identity))
            if record is None:
                record = _by_email(session, email)
                if record is None or record.confirmed_at is None or record.identity is not None:
                    raise SignInError
                record.identity = identity
                writer.audit("account.identity", detail={"email": record.email, "issuer": issuer})
            writer.audit("account.sign-in", detail={"email": record.email, "by": issuer})
            return record.to_account()

    def check_password(self, account_id: str, password: str) -> bool:
        """Say whether this is the account's password; for somebody who is signed in already.

        :raises HashingBusyError: As many passwords are being checked as may be.
        """
        with self._store.reading() as session:
            record = session.get(AccountRecord, account_id)
        return verify_password(record.password_hash if record is not None else None, password)


def spell_email(typed: str) -> str:
    """Return the spelling under which an account would be kept, also of what is no address."""
    try:
        return canonical_email(typed)
    except BadEmailError:
        return typed.strip().casefold()


def _by_email(session: Session, email: str) -> AccountRecord | None:
    """Return the account with an address that anyone may have typed, however it is spelled."""
    try:
        spelled = canonical_email(email)
    except BadEmailError:
        return None
    return session.scalar(select(AccountRecord).where(AccountRecord.email == spelled))


def forget_account(writer: Writer, record: AccountRecord) -> None:
    """Delete an account and what hangs on it, as a part of what *writer* does."""
    forget_sessions(writer, record.id)
    forget_links(writer, record.id)
    forget_second_factors(writer, record)
    forget_api_tokens(writer, record.id)
    mine = delete(MembershipRecord).where(MembershipRecord.account_id == record.id)
    removed = writer.session.scalars(mine.returning(MembershipRecord.tenant_id))
    writer.named(*removed)
    writer.session.flush()
    writer.session.delete(record)
    writer.session.flush()


def _write_password(writer: Writer, account_id: str, hashed: str) -> Account:
    """Set a hash; sessions and other ways to set a password end."""
    record = writer.get_account(account_id)
    record.password_hash = hashed
    forget_sessions(writer, account_id)
    forget_links(writer, account_id, "setup")
    writer.audit("account.password", detail={"email": record.email})
    return record.to_account()
