"""Where posts and pages are: their slugs, and what leads from former ones to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import url_for
from sqlalchemy import delete, select

from tenants.database import db
from tenants.models import FormerSlug, Post
from tenants.text import slugify

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute


def endpoint_of(is_page: bool) -> str:  # noqa: FBT001 - a row's column
    """Return the endpoint that shows a post, or a page of the menu."""
    return "pages.page" if is_page else "pages.post"


def url_of(post: Post, **values: Any) -> str:
    """Return the path of a post's page."""
    return url_for(endpoint_of(post.is_page), slug=post.slug, **values)


def move_post(post: Post, slug: str) -> None:
    """Give the post another slug. If others may have linked to the old one, it leads here."""
    if post.slug == slug:
        return
    if post.is_published:
        note_address(post)
    db.session.execute(delete(FormerSlug).where(FormerSlug.slug == slug))
    post.slug = slug


def note_address(post: Post) -> None:
    """Let the slug lead to this post for good, whatever slug it will have."""
    if post.id is not None and db.session.get(FormerSlug, post.slug) is None:
        db.session.add(FormerSlug(slug=post.slug, post_id=post.id))


def follows_title(post: Post) -> bool:
    """Say whether the slug was made from the post's title, and by nobody's choice."""
    made = re.escape(slugify(post.title))
    return re.fullmatch(rf"{made}(-[0-9]+)?", post.slug) is not None


def is_free(slug: str, *, post_id: int | None) -> bool:
    """Say whether no other post has, or had, this slug."""
    own = post_id or 0
    taken = select(Post.id).where(Post.slug == slug, Post.id != own)
    former = select(FormerSlug.post_id).where(FormerSlug.slug == slug, FormerSlug.post_id != own)
    return db.session.scalar(taken.union_all(former).limit(1)) is None


def free_slug(title: str, *, post_id: int | None = None) -> str:
    """Return a slug for the title that no other post has, or had."""
    wanted = slugify(title)
    own = post_id or 0
    taken = set(
        db.session.scalars(
            select(Post.slug)
            .where(_begins(Post.slug, wanted), Post.id != own)
            .union_all(
                select(FormerSlug.slug).where(
                    _begins(FormerSlug.slug, wanted), FormerSlug.post_id != own
                )
            )
        )
    )
    if wanted not in taken:
        return wanted
    return next(slug for n in range(2, len(taken) + 3) if (slug := f"{wanted}-{n}") not in taken)


def _begins(column: InstrumentedAttribute[str], wanted: str) -> Any:
    return (column == wanted) | column.startswith(f"{wanted}-", autoescape=True)
