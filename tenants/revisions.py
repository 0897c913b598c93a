"""The earlier texts of a post: each save keeps one, and each can be compared and restored."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal

from sqlalchemy import delete, select

from tenants.access import get_member
from tenants.database import db
from tenants.models import Post, PostRevision
from tenants.room import find_fullness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

KEPT = 50
"""Texts of one post; the oldest ones go first."""
CONTEXT = 3
"""Lines that are shown around a change."""


@dataclass(frozen=True, slots=True)
class Before:
    """What a post said before it was changed."""

    version: int
    title: str
    body: str
    saved_at: datetime

    @classmethod
    def of(cls, post: Post) -> Before:
        """Return what the post says now."""
        return cls(post.version, post.title, post.body, post.updated_at)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a comparison."""

    kind: Literal["same", "removed", "added", "gap"]
    text: str = ""


def note_revision(post: Post, before: Before | None) -> None:
    """Keep the post's text, as a part of what the caller commits. A full site keeps no more.

    :param before: What it said before. A post that is older than its revisions has none of that yet.
    """
    if find_fullness() is not None:
        return
    if before is not None and find_revision(post, before.version) is None:
        db.session.add(
            PostRevision(
                post_id=post.id,
                version=before.version,
                title=before.title,
                body=before.body,
                author_id=post.author_id,
                saved_at=before.saved_at,
            )
        )
    db.session.add(
        PostRevision(
            post_id=post.id,
            version=post.version,
            title=post.title,
            body=post.body,
            author_id=get_member().id,
            saved_at=post.updated_at,
        )
    )
    over = post.version - KEPT
    db.session.execute(
        delete(PostRevision).where(PostRevision.post_id == post.id, PostRevision.version <= over)
    )


def list_revisions(post: Post) -> Sequence[PostRevision]:
    """Return the texts of a post, the newest one first."""
    query = select(PostRevision).where(PostRevision.post_id == post.id)
    return db.session.scalars(query.order_by(PostRevision.version.desc())).all()


def find_revision(post: Post, version: int) -> PostRevision | None:
    """Return the text of a post that had this number."""
    return db.session.get(PostRevision, (post.id, version)) if version < 2**31 else None


def compare(old: str, new: str) -> Iterator[Line]:
    """Return the lines that differ, with a few around them; nothing if both texts are the same."""
    before, after = old.splitlines(), new.splitlines()
    for number, group in enumerate(
        SequenceMatcher(None, before, after).get_grouped_opcodes(CONTEXT)
    ):
        if number or group[0][1]:
            yield Line("gap")
        for tag, first, last, new_first, new_last in group:
            if tag == "equal":
                yield from (Line("same", text) for text in before[first:last])
            else:
                yield from (Line("removed", text) for text in before[first:last])
                yield from (Line("added", text) for text in after[new_first:new_last])
