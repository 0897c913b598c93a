"""The queries behind a site's public pages, and the pages that they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import abort, request
from sqlalchemy import and_, func, or_, select, true
from sqlalchemy.orm import raiseload, selectinload

from tenantry import Page
from tenants.database import db
from tenants.models import Comment, Follow, FormerSlug, Member, Post, PostTag, Tag
from tenants.permissions import Permission
from tenants.publication import is_public, is_unpublished

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row, Select

POSTS_PER_PAGE = 10
TITLES_PER_PAGE = 100
COMMENTS_PER_PAGE = 50
FEED_LENGTH = 20
SITEMAP_LENGTH = 10_000
DELETED_SHOWN = 20
MAX_TAGS = 1_000
MAX_PAGE = 1_000_000


def page_number() -> int:
    """Return the page asked for; 404 if that is not one."""
    text = request.args.get("page", "1")
    number = int(text) if text.isdecimal() and text.isascii() and len(text) < 8 else 0  # noqa: PLR2004
    if not 1 <= number <= MAX_PAGE:
        abort(404)
    return number


def get_page(items: Sequence[Any], *, total: int, number: int, size: int) -> Page[Any]:
    """Return a page of a listing; 404 if the listing ends before it."""
    page = Page(tuple(items), total=total, number=number, size=size)
    if number > page.pages:
        abort(404)
    return page


def list_published(
    number: int,
    *,
    tag: Tag | None = None,
    author_id: int | None = None,
    follower_id: int | None = None,
) -> Page[Row[Any]]:
    """Return a page of the newest posts: two queries, however many posts and comments there are.

    :param tag: Only posts that have it.
    :param author_id: Only posts of this author.
    :param follower_id: Only posts of the authors whom this member follows.

    Without any of these, featured posts come first.
    """
    chosen, order = and_(_listed(), _by(author_id)), (Post.published_at.desc(), Post.id.desc())
    if follower_id is not None:
        followed = select(Follow.author_id).where(Follow.follower_id == follower_id)
        chosen = and_(chosen, Post.author_id.in_(followed))
    is_front = tag is None and author_id is None and follower_id is None
    if tag is not None:
        having = select(PostTag.post_id).where(PostTag.tag_id == tag.id)
        chosen = and_(chosen, Post.id.in_(having))
    total = db.session.scalar(select(func.count()).select_from(Post).where(chosen)) or 0
    rows = db.session.execute(
        _summaries(Post.published_at.label("moment"))
        .where(chosen)
        .order_by(*((Post.is_featured.desc(), *order) if is_front else order))
        .limit(POSTS_PER_PAGE)
        .offset((number - 1) * POSTS_PER_PAGE)
    ).all()
    return get_page(rows, total=total, number=number, size=POSTS_PER_PAGE)


def list_titles(number: int) -> Page[Row[Any]]:
    """Return a page of the archive: slug, title and moment of published posts, the newest first."""
    total = db.session.scalar(select(func.count()).select_from(Post).where(_listed())) or 0
    rows = db.session.execute(
        select(Post.slug, Post.title, Post.published_at.label("moment"))
        .where(_listed())
        .order_by(Post.published_at.desc(), Post.id.desc())
        .limit(TITLES_PER_PAGE)
        .offset((number - 1) * TITLES_PER_PAGE)
    ).all()
    return get_page(rows, total=total, number=number, size=TITLES_PER_PAGE)


def list_drafts(author_id: int | None, number: int) -> Page[Row[Any]]:
    """Return a page of drafts and scheduled posts, of one author or of all."""
    chosen = and_(is_unpublished(), _by(author_id))
    total = db.session.scalar(select(func.count()).select_from(Post).where(chosen)) or 0
    rows = db.session.execute(
        _summaries(Post.updated_at.label("moment"))
        .where(chosen)
        .order_by(Post.updated_at.desc(), Post.id.desc())
        .limit(POSTS_PER_PAGE)
        .offset((number - 1) * POSTS_PER_PAGE)
    ).all()
    return get_page(rows, total=total, number=number, size=POSTS_PER_PAGE)


def list_comments(post: Post, number: int, reader: Member | None = None) -> Page[Comment]:
    """Return a page of a post's comments, the oldest first, each followed by the answers to it.

    :param reader: Who sees their own comments, and maybe others, while these wait.
    """
    mine = and_(Comment.post_id == post.id, _visible_to(reader))
    total = db.session.scalar(select(func.count()).select_from(Comment).where(mine)) or 0
    found = db.session.scalars(
        select(Comment)
        .where(mine)
        .options(raiseload(Comment.post, sql_only=True))
        .order_by(_thread(), Comment.id)
        .limit(COMMENTS_PER_PAGE)
        .offset((number - 1) * COMMENTS_PER_PAGE)
    ).all()
    return get_page(found, total=total, number=number, size=COMMENTS_PER_PAGE)


def page_of(comment: Comment, reader: Member | None) -> int:
    """Return the number of the page of its post's comments on which the reader sees one."""
    thread = comment.parent_id or comment.id
    before = or_(_thread() < thread, and_(_thread() == thread, Comment.id < comment.id))
    query = select(func.count()).where(Comment.post_id == comment.post_id, before)
    count = db.session.scalar(query.where(_visible_to(reader))) or 0
    return int(count) // COMMENTS_PER_PAGE + 1


def list_waiting(number: int) -> Page[Comment]:
    """Return a page of the comments that wait for a moderator, the oldest first."""
    wait = and_(Comment.waits, Comment.post_id == Post.id, Post.deleted_at.is_(None))
    total = db.session.scalar(select(func.count()).select_from(Comment).join(Post).where(wait)) or 0
    query = select(Comment).join(Post).where(wait).options(selectinload(Comment.post))
    query = query.order_by(Comment.id).limit(COMMENTS_PER_PAGE)
    found = db.session.scalars(query.offset((number - 1) * COMMENTS_PER_PAGE)).all()
    return get_page(found, total=total, number=number, size=COMMENTS_PER_PAGE)


def _thread() -> ColumnElement[int]:
    """Return the id of the comment that a thread begins with."""
    return func.coalesce(Comment.parent_id, Comment.id)


def _visible_to(reader: Member | None) -> ColumnElement[bool]:
    if reader is None:
        return Comment.waits.is_(False)
    if reader.may(Permission.MODERATE):
        return true()
    return or_(Comment.waits.is_(False), Comment.author_id == reader.id)


def newest_posts() -> Sequence[Post]:
    """Return the posts of the feed."""
    return db.session.scalars(
        select(Post)
        .where(_listed())
        .options(selectinload(Post.tags))
        .order_by(Post.published_at.desc(), Post.id.desc())
        .limit(FEED_LENGTH)
    ).all()


def list_deleted(author_id: int | None) -> Sequence[Post]:
    """Return the newest of the deleted posts, of one author or of all."""
    return db.session.scalars(
        select(Post)
        .where(Post.deleted_at.is_not(None), _by(author_id))
        .order_by(Post.deleted_at.desc(), Post.id.desc())
        .limit(DELETED_SHOWN)
    ).all()


def list_addresses() -> Sequence[Row[tuple[str, bool, datetime]]]:
    """Return slug, kind and last change of the newest published posts and pages, for a sitemap."""
    newest = Post.published_at.desc()
    query = select(Post.slug, Post.is_page, Post.updated_at).where(is_public()).order_by(newest)
    return db.session.execute(query.limit(SITEMAP_LENGTH)).all()


def list_pages(limit: int = TITLES_PER_PAGE) -> Sequence[Row[tuple[str, str]]]:
    """Return slug and title of the published pages, in the order of their publication."""
    query = select(Post.slug, Post.title).where(is_public(), Post.is_page)
    return db.session.execute(query.order_by(Post.published_at, Post.id).limit(limit)).all()


def list_tags() -> Sequence[Row[tuple[str, str, int]]]:
    """Return slug and name of the tags that visitors can see, and how many posts have each."""
    query = (
        select(Tag.slug, Tag.name, func.count().label("posts"))
        .join(PostTag, PostTag.tag_id == Tag.id)
        .join(Post, Post.id == PostTag.post_id)
        .where(_listed())
    )
    return db.session.execute(
        query.group_by(Tag.id, Tag.slug, Tag.name).order_by(Tag.slug).limit(MAX_TAGS)
    ).all()


def find_tag(slug: str) -> Tag | None:
    """Return the tag of this slug."""
    found: Tag | None = db.session.scalar(select(Tag).where(Tag.slug == slug))
    return found


def find_post(slug: str) -> Post | None:
    """Return the post of this slug, draft or not; or the one that had it while it was published."""
    there = Post.deleted_at.is_(None)
    found: Post | None = db.session.scalar(select(Post).where(Post.slug == slug, there))
    if found is None:
        former = select(Post).join(FormerSlug, FormerSlug.post_id == Post.id)
        found = db.session.scalar(former.where(FormerSlug.slug == slug, there))
    return found


def has_posts(member: Member) -> bool:
    """Say whether visitors can see a post of the member."""
    mine = select(Post.id).where(_listed(), Post.author_id == member.id)
    return db.session.scalar(mine.limit(1)) is not None


def find_deleted(slug: str) -> Post | None:
    """Return the deleted post of this slug."""
    return db.session.scalar(select(Post).where(Post.slug == slug, Post.deleted_at.is_not(None)))


def _listed() -> ColumnElement[bool]:
    return and_(is_public(), Post.is_page.is_(False))


def _by(author_id: int | None) -> ColumnElement[bool]:
    return true() if author_id is None else Post.author_id == author_id


def _summaries(moment: Any) -> Select[Any]:
    shown = and_(Comment.post_id == Post.id, Comment.waits.is_(False))
    comments = select(func.count()).where(shown).scalar_subquery()
    return select(
        Post.id,
        Post.slug,
        Post.title,
        Post.summary,
        Post.published_at,
        Post.is_featured,
        moment,
        Member.name.label("author"),
        Post.author_id,
        comments.label("comments"),
    ).join(Member, Member.id == Post.author_id)
