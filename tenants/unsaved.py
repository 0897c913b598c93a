"""What members have typed and not saved, kept on the site so that nothing they wrote is lost.

A text belongs to one member and one form. Its key names the form: ``new-`` and a random number for a
post that is not there yet, ``post-`` or ``comment-`` and the post's id for one that is.
"""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import session
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from tenantry import current_tenant
from tenants.access import get_member
from tenants.database import db, now
from tenants.models import Post, UnsavedText
from tenants.permissions import Permission

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NEW = 20
"""Posts that a member can have begun without saving them; the oldest one goes first."""
KEPT_FOR = timedelta(days=30)

_KEY = re.compile(r"(new)-[0-9a-f]{16}\Z|(post|comment)-([0-9]{1,9})\Z")


def new_key() -> str:
    """Return the key of a post that is about to be begun."""
    return f"new-{secrets.token_hex(8)}"


def post_key(post: Post) -> str:
    """Return the key of the form that changes a post."""
    return f"post-{post.id}"


def comment_key(post: Post) -> str:
    """Return the key of the form that comments on a post."""
    return f"comment-{post.id}"


def is_new(key: str) -> bool:
    """Say whether the key is one of a post that is not there yet."""
    found = _KEY.match(key)
    return found is not None and found[1] is not None


def find_named(key: str) -> Post | None:
    """Return the post that a form is about, wherever it has moved since."""
    found = _KEY.match(key)
    number = found[3] if found else None
    post: Post | None = db.session.get(Post, int(number)) if number else None
    return post if post is not None and post.deleted_at is None else None


def find_unsaved(key: str) -> UnsavedText | None:
    """Return the member's unsaved text of a form."""
    found: UnsavedText | None = db.session.get(UnsavedText, (get_member().id, key))
    return found


def list_begun() -> Sequence[UnsavedText]:
    """Return the posts that the member has begun and never saved, the newest first."""
    begun: Sequence[UnsavedText] = db.session.scalars(
        select(UnsavedText)
        .where(UnsavedText.member_id == get_member().id, UnsavedText.key.startswith("new-"))
        .order_by(UnsavedText.saved_at.desc(), UnsavedText.key)
    ).all()
    return begun


def keep_unsaved(
    key: str, *, title: str, body: str, version: int, tags: str = "", excerpt: str = ""
) -> bool:
    """Keep the member's text instead of the one before; an empty one needs no keeping.

    :return: Whether the form is one that this member may send at all.
    """
    text = {"title": title, "body": body, "tags": tags, "excerpt": excerpt}
    version = version if 0 <= version < 2**31 else 0  # no post has another one
    try:
        return _keep(key, version, text)
    except IntegrityError:
        # Two windows with one form: the other one was a moment faster, and the later text counts.
        db.session.rollback()
        return _keep(key, version, text)


def _keep(key: str, version: int, said: dict[str, str]) -> bool:
    post = _find_subject(key)
    if post is None and not (is_new(key) and get_member().may(Permission.WRITE)):
        return False
    text = find_unsaved(key)
    if post is not None and said == _read(post):
        said = {}
    if not any(said.values()):
        if text is not None:
            db.session.delete(text)
    else:
        if text is None:
            _make_room(key)
            text = UnsavedText(member_id=get_member().id, key=key, post_id=post and post.id)
            db.session.add(text)
        for name, value in said.items():
            setattr(text, name, value)
        text.version, text.saved_at = version, now()
    db.session.commit()
    return True


def _read(post: Post) -> dict[str, str]:
    return {
        "title": post.title,
        "body": post.body,
        "tags": post.tag_line,
        "excerpt": post.excerpt,
    }


def drop_unsaved(key: str) -> None:
    """Forget a text within the current transaction: it is saved now, or not wanted."""
    if _KEY.match(key) is None:
        return  # nothing is kept under it, and PostgreSQL refuses some characters
    mine = UnsavedText.member_id == get_member().id
    db.session.execute(delete(UnsavedText).where(mine, UnsavedText.key == key))


def note_saved(key: str) -> None:
    """Let the next page that the member sees drop what the browser itself has kept of a text."""
    session["saved_text"] = key[:40]


def name_store() -> str:
    """Return what a browser names its own copies by: the site and the member, before the key.

    Sites that are routed by path share a browser's storage, and so do the people at one computer.
    """
    return f"tenantry:text:{current_tenant.id}:{get_member().id}:"


def pop_saved() -> str | None:
    """Return the key of the text that was just saved, once."""
    key: str | None = session.pop("saved_text", None)
    return key


def _find_subject(key: str) -> Post | None:
    """Return the post that a form is about, if the member may use the form."""
    post = find_named(key)
    if post is None:
        return None
    allowed = post.is_published if key.startswith("comment-") else get_member().may_edit(post)
    return post if allowed else None


def _make_room(key: str) -> None:
    mine = UnsavedText.member_id == get_member().id
    db.session.execute(delete(UnsavedText).where(mine, UnsavedText.saved_at < now() - KEPT_FOR))
    if is_new(key):
        for text in list_begun()[MAX_NEW - 1 :]:
            db.session.delete(text)
