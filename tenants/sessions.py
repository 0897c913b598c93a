"""Members' sessions: records that end, one by one or all together (R25).

The cookie is signed and names a record. A copy of it is worth nothing once the record is gone.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import current_app, request, session
from flask_login import login_user, logout_user
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError

from tenantry import describe_device, network_of
from tenantry.errors import TenantryError
from tenants.database import db, now
from tenants.models import Member, MemberSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

LIVES = timedelta(days=31)
"""After that a session is over, however busy it is."""
IDLE_FOR = timedelta(days=14)
"""A session that nobody uses for so long is over."""
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was last used: a request writes no more often."""
MAX_SESSIONS = 20
"""Of one member. A further one ends the one that was unused for longest."""


def start_session(member: Member) -> None:
    """Make the browser the member's, with nothing left of the previous member."""
    db.session.execute(delete(MemberSession).where(MemberSession.expires_at <= now()))
    kept = select(MemberSession.id).where(MemberSession.member_id == member.id)
    kept = kept.order_by(MemberSession.seen_at.desc())
    for surplus in db.session.scalars(kept.offset(MAX_SESSIONS - 1)).all():
        db.session.execute(delete(MemberSession).where(MemberSession.id == surplus))
    record = MemberSession(
        id=secrets.token_urlsafe(32),
        member_id=member.id,
        device=describe_device(request.user_agent.string),
        network=network_of(request.remote_addr),
        expires_at=now() + LIVES,
    )
    db.session.add(record)
    db.session.commit()
    session.clear()
    session.permanent = True
    member.session_id = record.id
    login_user(member)


def find_signed_in(session_id: str) -> Member | None:
    """Return whose session this is, unless it is over or the member is blocked."""
    query = select(MemberSession, Member).join(Member, Member.id == MemberSession.member_id)
    row = db.session.execute(query.where(MemberSession.id == session_id, *_living())).one_or_none()
    if row is None:
        return None
    record: MemberSession = row[0]
    member: Member = row[1]
    if member.blocked:
        return None
    member.session_id = record.id
    _see(record)
    return member


def list_sessions(member: Member) -> Sequence[MemberSession]:
    """Return the member's sessions that are not over, the one used last first."""
    query = select(MemberSession).where(MemberSession.member_id == member.id, *_living())
    return db.session.scalars(query.order_by(MemberSession.seen_at.desc())).all()


def end_session(member: Member, session_id: str) -> None:
    """End one session of the member, also for a copy of its cookie."""
    db.session.execute(
        delete(MemberSession).where(
            MemberSession.member_id == member.id, MemberSession.id == session_id
        )
    )
    db.session.commit()
    if session_id == member.session_id:
        logout_user()


def end_sessions(member: Member, *, but: str | None = None) -> None:
    """End every session of the member, as a part of what the caller commits.

    :param but: The id of one that goes on.
    """
    statement = delete(MemberSession).where(MemberSession.member_id == member.id)
    if but is not None:
        statement = statement.where(MemberSession.id != but)
    db.session.execute(statement)


def _living() -> tuple[ColumnElement[bool], ...]:
    return (MemberSession.expires_at > now(), MemberSession.seen_at > now() - IDLE_FOR)


def _see(record: MemberSession) -> None:
    """Note that a session is in use, unless that was noted a moment ago.

    Only where a page is read: what a form changes is the view's own transaction. Where nothing can
    be written, reading goes on.
    """
    if request.method not in {"GET", "HEAD"} or now() - record.seen_at < SEEN_EVERY:
        return
    record.seen_at = now()
    try:
        db.session.commit()
    except (SQLAlchemyError, TenantryError) as error:
        db.session.rollback()
        current_app.logger.info("cannot record when a session was last used: %s", error)
