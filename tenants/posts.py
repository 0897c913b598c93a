"""Writing posts: drafts, publication, changes, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tenantry.flask import accept_body
from tenants import markdown
from tenants.access import get_member, only
from tenants.database import db, now
from tenants.forms import POST_LENGTH, PostForm
from tenants.models import Post, Role
from tenants.reading import find_post, list_drafts, page_number
from tenants.room import FULL, find_fullness
from tenants.text import clean_text, slugify

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.models import Member

bp = Blueprint("posts", __name__)

LONGEST_MB = 2
"""MiB of a form with a post: of 100,000 characters each may take twelve bytes in a URL's encoding."""


@bp.get("/drafts")
@only(Role.AUTHOR)
def drafts() -> str:
    """List the drafts that the member may edit."""
    member = get_member()
    author_id = None if member.may(Role.EDITOR) else member.id
    return render_template("site/drafts.html", page=list_drafts(author_id, page_number()))


@bp.route("/write", methods=["GET", "POST"])
@accept_body(megabytes=LONGEST_MB)
@only(Role.AUTHOR)
def write() -> ResponseReturnValue:
    """Write a new post."""
    form = PostForm()
    if form.validate_on_submit():
        if (full := find_fullness()) is not None:
            return _refuse(form, None, full)
        return _save(Post(author_id=get_member().id), form)
    return render_template("site/write.html", form=form, post=None), _status(form)


@bp.route("/posts/<slug>/edit", methods=["GET", "POST"])
@accept_body(megabytes=LONGEST_MB)
@only(Role.AUTHOR)
def edit(slug: str) -> ResponseReturnValue:
    """Change a post."""
    post = _get_own(slug)
    form = PostForm(data={"title": post.title, "body": post.body})
    if form.validate_on_submit():
        grows = len(form.body.data) > len(post.body)
        if grows and (full := find_fullness()) is not None:
            return _refuse(form, post, full)
        return _save(post, form)
    return render_template("site/write.html", form=form, post=post), _status(form)


@bp.post("/posts/<slug>/delete")
@only(Role.AUTHOR)
def delete(slug: str) -> ResponseReturnValue:
    """Delete a post with its comments."""
    post = _get_own(slug)
    db.session.delete(post)
    db.session.commit()
    flash(f"“{post.title}” is deleted.", "success")
    return redirect(url_for("pages.front"), 303)


@bp.post("/write/preview")
@accept_body(megabytes=LONGEST_MB)
@only(Role.AUTHOR)
def preview() -> str:
    """Return the text as HTML, for the writing page to show."""
    text = clean_text(request.form.get("body"))[:POST_LENGTH]
    return render_template("site/preview.html", html=markdown.render(text))


def set_published(post: Post, published: bool) -> None:  # noqa: FBT001 - the point of it
    """Show the post to everybody, or make it a draft again."""
    if not published:
        post.published_at = None
    elif post.published_at is None:
        post.published_at = now()


def _refuse(form: PostForm, post: Post | None, full: str) -> ResponseReturnValue:
    """Say that there is no room; what was typed stays in the form."""
    form.body.errors = [full]
    return render_template("site/write.html", form=form, post=post), FULL


def _save(post: Post, form: PostForm) -> ResponseReturnValue:
    if post.title != form.title.data:
        post.title = form.title.data
        if not post.is_published:  # a published post keeps the address that others link to
            post.slug = free_slug(post.title, post_id=post.id)
    post.write(form.body.data)
    intent = request.form.get("intent")
    if intent in {"publish", "unpublish"}:
        set_published(post, intent == "publish")
    db.session.add(post)
    try:
        db.session.commit()
    except IntegrityError:
        # Somebody took the slug at the same moment; the text is still in the form.
        db.session.rollback()
        flash("Somebody saved a post of this title just now. Try again.", "warning")
        return render_template("site/write.html", form=form, post=None), 409
    flash("Published." if post.is_published else "Saved as a draft.", "success")
    return redirect(url_for("pages.post", slug=post.slug), 303)


def free_slug(title: str, *, post_id: int | None = None) -> str:
    """Return a slug for the title that no other post has."""
    wanted = slugify(title)
    taken = set(
        db.session.scalars(
            select(Post.slug).where(
                (Post.slug == wanted) | Post.slug.startswith(f"{wanted}-", autoescape=True),
                Post.id != (post_id or 0),
            )
        )
    )
    if wanted not in taken:
        return wanted
    return next(slug for n in range(2, len(taken) + 3) if (slug := f"{wanted}-{n}") not in taken)


def _get_own(slug: str) -> Post:
    """Return a post that the member may change: 404 for what they may not even see."""
    post = find_post(slug)
    member: Member = get_member()
    if post is None:
        abort(404)
    if not member.may_edit(post):
        abort(403 if post.is_published else 404)
    return post


def _status(form: PostForm) -> int:
    return 422 if form.errors else 200
