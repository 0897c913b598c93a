"""Signing members in: passwords with a growing delay, and links that work once."""

from __future__ import annotations

import hashlib
import secrets
import time

from flask import session
from flask_login import login_user
from sqlalchemy import delete, func, select, update

from tenantry.passwords import hash_password, needs_rehash, verify_password
from tenants.database import db
from tenants.models import EntryLink, Member, Role

FREE_TRIES = 4
"""Wrong passwords that cost no waiting."""
MAX_DELAY = 900
"""Seconds; a member is slowed down, never locked out (R51)."""
LINK_LIVES = 60
"""Seconds."""


def authenticate(email: str, password: str) -> Member | None:
    """Return the member to whom both belong.

    An unknown address, a wrong password, a blocked member and a try that came too soon take the
    same work and get the same answer (R34).
    """
    member = db.session.scalar(select(Member).where(Member.email == email))
    allowed = _claim_try(member) and member is not None and not member.blocked
    if not verify_password(member.password_hash if member and allowed else None, password):
        return None
    assert member is not None
    member.failures = 0
    member.next_try_at = 0.0
    if member.password_hash and needs_rehash(member.password_hash):
        member.password_hash = hash_password(password)
    db.session.commit()
    return member


def start_session(member: Member) -> None:
    """Make the browser the member's, with nothing left of whoever used it before."""
    session.clear()
    session.permanent = True
    login_user(member)


def delay_after(failures: int) -> float:
    """Return the seconds to wait after so many tries without success."""
    if failures < FREE_TRIES:
        return 0.0
    return min(float(MAX_DELAY), 2.0 ** min(failures - FREE_TRIES, 20))


def _claim_try(member: Member | None) -> bool:
    """Count a try before it is made, so that tries at the same moment do not escape the delay."""
    now = time.time()
    if member is None:
        # One write, as for a member, so that the time of the answer does not tell them apart.
        first = select(func.min(Member.id)).scalar_subquery()
        statement = update(Member).where(Member.id == first).values(failures=Member.failures)
    else:
        statement = (
            update(Member)
            .where(Member.id == member.id, Member.failures == member.failures)
            .where(Member.next_try_at <= now)
            .values(
                failures=member.failures + 1, next_try_at=now + delay_after(member.failures + 1)
            )
        )
    changed = db.session.execute(statement).rowcount  # type: ignore[attr-defined]
    db.session.commit()
    return member is not None and changed == 1


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
        member = Member(email=email, name=name or email.partition("@")[0], session_version=1)
        db.session.add(member)
    elif not member.is_platform_owner:
        # Whoever signed up here with this address never proved that it is theirs. The platform
        # vouches for it now, so the password and the sessions that came before it end.
        member.password_hash = None
        member.end_sessions()
    member.is_platform_owner = True
    member.role = Role.OWNER
    member.blocked = False
    db.session.flush()
    return member


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
