"""Signing members in: passwords, with a limit on tries, and links that work once."""

from __future__ import annotations

import hashlib
import secrets
import time

from sqlalchemy import delete, select

from tenantry import claim_sign_in, renew_hash, verify_password
from tenantry.errors import HashingBusyError
from tenants.database import db
from tenants.models import EntryLink, Member
from tenants.sessions import end_sessions

LINK_LIVES = 60
"""Seconds."""


def authenticate(email: str, password: str) -> Member | None:
    """Return the member to whom both belong.

    An unknown address, a wrong password and a blocked member take the same work and get the same
    answer (R34).

    :raises TooManyTriesError: There were too many tries from this network (R51), for whatever address.
    :raises HashingBusyError: As many passwords are being checked as may be.
    """
    attempt = claim_sign_in(email)
    member = db.session.scalar(select(Member).where(Member.email == email))
    allowed = member is not None and not member.blocked
    try:
        right = verify_password(member.password_hash if member and allowed else None, password)
    except HashingBusyError:
        attempt.undo()
        raise
    if not right:
        return None
    assert member is not None
    attempt.succeed()
    if (renewed := renew_hash(member.password_hash or "", password)) is not None:
        member.password_hash = renewed
        db.session.commit()
    return member


def make_entry(*, email: str, name: str) -> str:
    """Return a token that signs the site's owner in once, within a minute."""
    member = _adopt_owner(email=email, name=name)
    token = secrets.token_urlsafe(32)
    db.session.execute(delete(EntryLink).where(EntryLink.expires_at <= time.time()))
    db.session.flush()
    expires_at = time.time() + LINK_LIVES
    db.session.add(EntryLink(token_hash=_hash(token), member_id=member.id, expires_at=expires_at))
    db.session.commit()
    return token


def use_entry(token: str) -> Member | None:
    """Return whom the token signs in, and never again."""
    statement = (
        delete(EntryLink)
        .where(EntryLink.token_hash == _hash(token), EntryLink.expires_at > time.time())
        .returning(EntryLink.member_id)
    )
    member_id = db.session.scalar(statement)
    db.session.commit()
    member = db.session.get(Member, member_id) if member_id is not None else None
    return member if member is not None and not member.blocked else None


def _adopt_owner(*, email: str, name: str) -> Member:
    member = db.session.scalar(select(Member).where(Member.email == email))
    if member is None:
        member = Member(email=email, name=name or email.partition("@")[0])
        db.session.add(member)
    elif not member.is_platform_owner:
        # The member who signed up with this address never proved that it is theirs. The platform
        # vouches for it now, so the password and the sessions that came before it end.
        member.password_hash = None
        end_sessions(member)
    member.is_platform_owner = True
    member.blocked = False
    db.session.flush()
    return member


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
