"""Comments: members write them, editors and those who wrote them take them away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for

from tenantry import ask_first, note_faults
from tenants.access import get_member, only
from tenants.database import db
from tenants.forms import CommentForm
from tenants.models import Comment
from tenants.permissions import Permission
from tenants.reading import COMMENTS_PER_PAGE, find_post, list_comments
from tenants.room import FULL, find_fullness
from tenants.unsaved import comment_key, drop_unsaved, note_saved

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.models import Post

bp = Blueprint("comments", __name__)

BESIDE_COMMENTS = "beside-comments"
"""Category of the messages that the post's page shows there and not at its top."""


@bp.post("/posts/<slug>/comments")
@only(Permission.COMMENT)
def add(slug: str) -> ResponseReturnValue:
    """Add a comment to a published post."""
    post = find_post(slug)
    if post is None or post.is_page or not post.is_published:
        abort(404)
    form = CommentForm()
    if not form.validate_on_submit():
        return show_comments(post, form), 422
    if (full := find_fullness()) is not None:
        form.text.errors = [full]
        note_faults(form)
        return show_comments(post, form), FULL
    total = list_comments(post, 1).total
    comment = Comment(post_id=post.id, author_id=get_member().id)
    comment.write(form.text.data)
    db.session.add(comment)
    drop_unsaved(comment_key(post))
    db.session.commit()
    note_saved(comment_key(post))
    last = total // COMMENTS_PER_PAGE + 1
    return _say(post, "Your comment is here.", page=last if last > 1 else None)


@bp.post("/comments/<int:comment_id>/delete")
@only(Permission.COMMENT)
def delete(comment_id: int) -> ResponseReturnValue:
    """Delete a comment."""
    # Larger numbers do not fit into SQLite's, and no row has one.
    comment = db.session.get(Comment, comment_id) if comment_id < 2**63 else None
    if comment is None:
        abort(404)
    if not get_member().may_remove(comment):
        abort(403)
    post = comment.post
    if post.deleted_at is not None:
        abort(404)
    back = url_for("pages.post", slug=post.slug, _anchor="comments")
    question = f"Delete the comment of {comment.author.name}?"
    if ask := ask_first(question, button="Delete", back=back, layout="site/base.html"):
        return ask
    db.session.delete(comment)
    db.session.commit()
    return _say(post, "The comment is deleted.")


def show_comments(post: Post, form: CommentForm) -> str:
    """Return a post's page with a comment that is not there yet."""
    form.key.data = comment_key(post)
    comments = list_comments(post, 1)
    return render_template("site/post.html", post=post, comments=comments, form=form)


def _say(post: Post, message: str, **options: Any) -> ResponseReturnValue:
    """Lead back to the comments, where the message stands beside the form and has the focus."""
    flash(message, BESIDE_COMMENTS)
    return redirect(url_for("pages.post", slug=post.slug, _anchor="said", **options), 303)
