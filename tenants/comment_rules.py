"""The site's rules for comments: which wait for a moderator, and when a post takes no more."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import request
from sqlalchemy import select

from tenants.database import db, now
from tenants.models import Comment, CommentRules, Member, Post
from tenants.permissions import Permission
from tenants.publication import next_publication

if TYPE_CHECKING:
    from datetime import datetime

_WORD = re.compile(r"\w+")


def get_rules() -> CommentRules:
    """Return the rules; a site that has made none holds nothing back."""
    return db.session.get(CommentRules, 1) or CommentRules(id=1, hold_first=False, held_words="")


def must_wait(comment: Comment, member: Member) -> bool:
    """Say whether a new comment is shown only after a moderator has approved it.

    Members who write posts are trusted.
    """
    if member.may(Permission.WRITE):
        return False
    rules = get_rules()
    if rules.max_links is not None and comment.body_html.count("<a ") > rules.max_links:
        return True
    if _has_any(comment.body, rules.held_words):
        return True
    return rules.hold_first and not _is_known(member)


def closes_at(post: Post, rules: CommentRules) -> datetime | None:
    """Return from when on a published post takes no more comments; ``None``: it always does."""
    if rules.close_days is None or post.published_at is None or not post.is_published:
        return None  # of the latest time to publish there are no days after it
    return post.published_at + timedelta(days=rules.close_days)


def is_closed(post: Post, rules: CommentRules) -> bool:
    """Say whether the post takes no more comments."""
    moment = closes_at(post, rules)
    return moment is not None and moment <= now()


def next_change() -> datetime | None:
    """Return when the page of the post that is asked for changes without a write."""
    moments = [next_publication(), _next_closing()]
    return min((moment for moment in moments if moment is not None), default=None)


def _next_closing() -> datetime | None:
    rules = get_rules()
    if rules.close_days is None:
        return None
    slug = (request.view_args or {}).get("slug")
    post = db.session.scalar(select(Post).where(Post.slug == slug))
    moment = None if post is None else closes_at(post, rules)
    return moment if moment is not None and moment > now() else None


def read_words(text: str) -> list[str]:
    """Return the words and phrases of a list that was typed: one a line, in small letters."""
    lines = (" ".join(_WORD.findall(line.casefold())) for line in text.splitlines())
    return list(dict.fromkeys(filter(None, lines)))


def _has_any(text: str, listed: str) -> bool:
    """Say whether the text has one of the phrases, whatever stands between its words."""
    plain = f" {' '.join(_WORD.findall(text.casefold()))} "
    return any(f" {phrase} " in plain for phrase in read_words(listed))


def _is_known(member: Member) -> bool:
    """Say whether a comment of the member has been shown before."""
    shown = select(Comment.id).where(Comment.author_id == member.id, Comment.waits.is_(False))
    return db.session.scalar(shown.limit(1)) is not None
