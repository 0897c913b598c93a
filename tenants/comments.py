"""Comments: members write them, editors and those who wrote them take them away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, flash, redirect, render_template, url_for

from tenants.access import get_member, only
from tenants.database import db
from tenants.forms import CommentForm
from tenants.models import Comment, Role
from tenants.reading import COMMENTS_PER_PAGE, find_post, list_comments
from tenants.room import FULL, find_fullness

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

bp = Blueprint("comments", __name__)


@bp.post("/posts/<slug>/comments")
@only(Role.MEMBER)
def add(slug: str) -> ResponseReturnValue:
    """Add a comment to a published post."""
    post = find_post(slug)
    if post is None or not post.is_published:
        abort(404)
    form = CommentForm()
    comments = list_comments(post, 1)
    if not form.validate_on_submit():
        return render_template("site/post.html", post=post, comments=comments, form=form), 422
    if (full := find_fullness()) is not None:
        form.text.errors = [full]
        return render_template("site/post.html", post=post, comments=comments, form=form), FULL
    comment = Comment(post_id=post.id, author_id=get_member().id)
    comment.write(form.text.data)
    db.session.add(comment)
    db.session.commit()
    last = comments.total // COMMENTS_PER_PAGE + 1
    page = last if last > 1 else None
    flash("Your comment is here.", "success")
    url = url_for("pages.post", slug=slug, page=page, _anchor=f"comment-{comment.id}")
    return redirect(url, 303)


@bp.post("/comments/<int:comment_id>/delete")
@only(Role.MEMBER)
def delete(comment_id: int) -> ResponseReturnValue:
    """Delete a comment."""
    # Larger numbers do not fit into SQLite's, and no row has one.
    comment = db.session.get(Comment, comment_id) if comment_id < 2**63 else None
    if comment is None:
        abort(404)
    if not get_member().may_remove(comment):
        abort(403)
    slug = comment.post.slug
    db.session.delete(comment)
    db.session.commit()
    flash("The comment is deleted.", "success")
    return redirect(url_for("pages.post", slug=slug, _anchor="comments"), 303)
