"""When a post is public: from its moment of publication on, which may be yet to come.

Nothing happens at that moment: whatever is read compares it with the time, and a page from memory
ends then. So a scheduled post appears exactly when it should, in every worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, select

from tenantry import page_cache
from tenants.addresses import note_address
from tenants.database import db, now
from tenants.models import Post

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement


def is_public() -> ColumnElement[bool]:
    """Return that visitors can see a post or page."""
    return and_(Post.published_at <= now(), Post.deleted_at.is_(None))


def is_unpublished() -> ColumnElement[bool]:
    """Return that a post is a draft, or will be published later."""
    waits = Post.published_at.is_(None) | (Post.published_at > now())
    return and_(waits, Post.deleted_at.is_(None))


def next_publication() -> datetime | None:
    """Return when the next of the scheduled posts becomes public."""
    query = select(Post.published_at).where(Post.published_at > now(), Post.deleted_at.is_(None))
    moment: datetime | None = db.session.scalar(query.order_by(Post.published_at).limit(1))
    return moment


public_page = page_cache(vary=(), hooks=False, until=next_publication)
"""Keep what a view shows to visitors; it may depend on which posts are public now."""


def publish(post: Post, *, at: datetime | None = None) -> None:
    """Show the post to everybody, at once or from a moment on. One that is public stays as it is."""
    if not post.is_published:
        post.published_at = at or now()


def take_back(post: Post) -> None:
    """Make the post a draft again."""
    if post.is_published:
        note_address(post)
    post.published_at = None
