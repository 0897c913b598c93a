"""Comments: members write them, editors and those who wrote them take them away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for

from tenantry import ask_first, note_faults
from tenants.access import get_member, only
from tenants.comment_rules import get_rules, is_closed, must_wait
from tenants.database import db
from tenants.forms import CommentForm
from tenants.models import Comment
from tenants.permissions import Permission
from tenants.reading import find_post, list_comments, page_of
from tenants.room import FULL, find_fullness
from tenants.unsaved import comment_key, drop_unsaved, note_saved

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.models import Post

bp = Blueprint("comments", __name__)

WAITS = "Your comment waits for a moderator. Until then only you and the moderators see it."
CLOSED = "This post takes no more comments."
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
    if is_closed(post, get_rules()) and not get_member().may(Permission.MODERATE):
        form.text.errors = [CLOSED]
        return show_comments(post, form), 403
    if not form.validate_on_submit():
        return show_comments(post, form), 422
    if (full := find_fullness()) is not None:
        form.text.errors = [full]
        note_faults(form)
        return show_comments(post, form), FULL
    member = get_member()
    comment = Comment(post_id=post.id, author_id=member.id, parent_id=_find_thread(form, post))
    comment.write(form.text.data)
    comment.waits = must_wait(comment, member)
    db.session.add(comment)
    drop_unsaved(comment_key(post))
    db.session.commit()
    note_saved(comment_key(post))
    said = WAITS if comment.waits else "Your comment is here."
    page = page_of(comment, member)
    return _say(post, said, page=page if page > 1 else None)


@bp.post("/comments/<int:comment_id>/delete")
@only(Permission.COMMENT)
def delete(comment_id: int) -> ResponseReturnValue:
    """Delete a comment."""
    comment = get_comment(comment_id)
    if not get_member().may_remove(comment):
        abort(403)
    post = comment.post
    back = url_for("pages.post", slug=post.slug, _anchor="comments")
    replies = "" if comment.parent_id else " and the replies to it"
    question = f"Delete the comment of {comment.author.name}{replies}?"
    if ask := ask_first(question, button="Delete", back=back, layout="site/base.html"):
        return ask
    db.session.delete(comment)
    db.session.commit()
    return _say(post, "The comment is deleted.")


def get_comment(number: int) -> Comment:
    """Return a comment of a post that is there; 404 if there is none of this number."""
    comment = _find_comment(number)
    if comment is None or comment.post.deleted_at is not None:
        abort(404)
    return comment


def find_answered(number: int | None, post: Post) -> Comment | None:
    """Return the comment of the post that a new one may answer."""
    comment = _find_comment(number) if number else None
    return comment if comment and comment.post_id == post.id and not comment.waits else None


def _find_comment(number: int) -> Comment | None:
    # Larger numbers do not fit into PostgreSQL's, and no row has one.
    return db.session.get(Comment, number) if 0 < number < 2**31 else None


def _find_thread(form: CommentForm, post: Post) -> int | None:
    """Return the comment that the thread begins with; an answer to an answer joins its thread.

    A comment that is gone meanwhile is answered at the end: nobody loses a text.
    """
    answered = find_answered(form.parent.data, post)
    return answered and (answered.parent_id or answered.id)


def show_comments(post: Post, form: CommentForm) -> str:
    """Return a post's page with a comment that is not there yet."""
    form.key.data = comment_key(post)
    comments = list_comments(post, 1, get_member())
    return render_template(
        "site/post.html",
        post=post,
        comments=comments,
        form=form,
        answered=find_answered(form.parent.data, post),
        closed=is_closed(post, get_rules()) and not get_member().may(Permission.MODERATE),
    )


def _say(post: Post, message: str, **options: Any) -> ResponseReturnValue:
    """Lead back to the comments, where the message stands beside the form and has the focus."""
    flash(message, BESIDE_COMMENTS)
    return redirect(url_for("pages.post", slug=post.slug, _anchor="said", **options), 303)
