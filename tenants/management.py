"""What the owner manages from the backend: the site's posts and its members."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from tenantry.management import Action, Column, Listing, Row
from tenants.addresses import endpoint_of
from tenants.database import db, now
from tenants.look import path_of
from tenants.models import Comment, Member, Post
from tenants.permissions import Role
from tenants.posts import delete_post
from tenants.publication import publish, take_back
from tenants.sessions import end_sessions
from tenants.sign_in import make_entry
from tenants.text import clean_line, fold_email

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.management import Section

MAX_ID = 2**31 - 1
"""The largest number that PostgreSQL keeps in such a column."""


class Management:
    """The site's side of the backend; everything here runs within the app's own context."""

    sections: tuple[Section, ...]

    def __init__(self) -> None:
        self.sections = (PostSection(), MemberSection())

    def entry_path(self, *, email: str, name: str) -> str:
        """Return a path that signs the owner in once, within a minute."""
        token = make_entry(email=fold_email(email), name=clean_line(name)[:80])
        return path_of("members.enter", token=token)


class PostSection:
    """All posts, the newest first."""

    name = "posts"
    label = "Posts"
    columns: tuple[Column, ...] = (
        Column("title", "Title"),
        Column("author", "Author"),
        Column("published", "Published"),
        Column("comments", "Comments"),
    )
    actions: tuple[Action, ...] = (
        Action("publish", "Publish"),
        Action("unpublish", "Make it a draft"),
        Action("delete", "Delete", "danger", confirm="Delete the post and its comments?"),
    )

    def find(self, *, search: str, page: int, size: int) -> Listing:
        """Return posts whose title or author has the words."""
        comments = select(func.count()).where(Comment.post_id == Post.id).scalar_subquery()
        query = select(
            Post.id,
            Post.slug,
            Post.is_page,
            Post.title,
            Post.published_at,
            Member.name,
            comments.label("said"),
        ).join(Member, Member.id == Post.author_id)
        query = query.where(Post.deleted_at.is_(None))
        if search:
            query = query.where(
                Post.title.icontains(search, autoescape=True)
                | Member.name.icontains(search, autoescape=True)
            )
        total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
        rows = db.session.execute(
            query.order_by(Post.id.desc()).limit(size).offset((page - 1) * size)
        )
        return Listing(tuple(self._row(row) for row in rows), total)

    def act(self, action: str, row_id: str, *, choice: str | None, actor: str) -> str:  # noqa: ARG002
        """Publish a post, make it a draft, or delete it."""
        post = _get(Post, row_id)
        if post.deleted_at is not None:
            raise LookupError(row_id)
        if action == "delete":
            if delete_post(post):
                return (
                    f"“{post.title}” is deleted. The site's Drafts page can restore it for 30 days."
                )
            return f"“{post.title}” is deleted for good: the site is full."
        if action == "publish":
            publish(post)
            done = "is published"
        elif action == "unpublish":
            take_back(post)
            done = "is a draft"
        else:
            raise LookupError(action)
        db.session.commit()
        return f"“{post.title}” {done}."

    def _row(self, row: Any) -> Row:
        at = row.published_at
        published = at is not None and at <= now()
        cells = {
            "title": row.title,
            "author": row.name,
            "published": _describe_publication(at),
            "comments": row.said,
        }
        url = path_of(endpoint_of(row.is_page), slug=row.slug) if published else None
        changes = [] if published else ["publish"]
        changes += [] if at is None else ["unpublish"]
        return Row(str(row.id), cells, url=url, actions=(*changes, "delete"))


class MemberSection:
    """Everybody with an account on the site, the newest first."""

    name = "members"
    label = "Members"
    columns: tuple[Column, ...] = (
        Column("name", "Name"),
        Column("email", "E-mail"),
        Column("role", "Role"),
        Column("joined", "Joined"),
        Column("status", "Status"),
    )
    actions: tuple[Action, ...] = (
        Action("role", "Change the role", choices=tuple(role.value for role in Role)),
        Action("block", "Block", "danger", confirm="Block this member and end their sessions?"),
        Action("unblock", "Unblock"),
    )

    def find(self, *, search: str, page: int, size: int) -> Listing:
        """Return members whose name or address has the words."""
        query = select(Member)
        if search:
            query = query.where(
                Member.name.icontains(search, autoescape=True)
                | Member.email.icontains(search, autoescape=True)
            )
        total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
        rows = db.session.scalars(
            query.order_by(Member.id.desc()).limit(size).offset((page - 1) * size)
        )
        return Listing(tuple(self._row(member) for member in rows), total)

    def act(self, action: str, row_id: str, *, choice: str | None, actor: str) -> str:  # noqa: ARG002
        """Change a member's role, block them, or let them in again."""
        member = _get(Member, row_id)
        if action == "role":
            role = Role(choice or "")  # ValueError for none of them
            _refuse_for_owner(member)
            member.role = role
            done = f"is {'an' if role.value[0] in 'ae' else 'a'} {role.value} now"
        elif action == "block":
            _refuse_for_owner(member)
            member.blocked = True
            end_sessions(member)
            done = "is blocked"
        elif action == "unblock":
            member.blocked = False
            done = "may sign in again"
        else:
            raise LookupError(action)
        db.session.commit()
        return f"{member.name} {done}."

    def _row(self, member: Member) -> Row:
        cells = {
            "name": member.name,
            "email": member.email,
            "role": member.title,
            "joined": _day(member.joined_at),
            "status": "Blocked" if member.blocked else "Active",
        }
        actions = ("role", "unblock" if member.blocked else "block")
        return Row(str(member.id), cells, actions=() if member.owns_site else actions)


def _get(model: Any, row_id: str) -> Any:
    number = int(row_id) if row_id.isascii() and row_id.isdecimal() else 0
    row = db.session.get(model, number) if 0 < number <= MAX_ID else None
    if row is None:
        raise LookupError(row_id)
    return row


def _refuse_for_owner(member: Member) -> None:
    """Leave an owner alone: who that is, is not for the site to say."""
    if member.owns_site:
        raise ValueError(
            f"{member.name} owns this site, which only the platform's operator can change."
        )


def _describe_publication(at: datetime | None) -> str:
    if at is None:
        return "Draft"
    return _day(at) if at <= now() else f"From {at:%Y-%m-%d %H:%M} UTC"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
