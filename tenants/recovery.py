"""A form whose token does not hold any more is shown again, with its text and a token that does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import abort, flash

from tenants.access import find_member
from tenants.comments import show_comments
from tenants.forms import CommentForm, PostForm
from tenants.members import ask_for_carried
from tenants.permissions import Permission
from tenants.post_facts import facts_of
from tenants.posts import show_editor
from tenants.reading import find_post
from tenants.unsaved import find_named, is_new, new_key

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenants.carrying import Carried
    from tenants.models import Member

LATER = (
    "You signed in again after this page was opened. Nothing is saved yet, and nothing is lost: look "
    "at the text and send it again."
)
NOT_YOURS = (
    "This page was opened by another member. Their text was not saved, and you cannot see it."
)


def show_again(carried: Carried) -> ResponseReturnValue:
    """Show the text to the member whose it is, or ask to sign in; it is saved nowhere."""
    member = find_member()
    if member is None:
        return ask_for_carried(carried)
    if not carried.is_of(member):
        abort(403, NOT_YOURS)
    page = _render(carried, member)
    if page is None:
        abort(403)
    return page, 400


def _render(carried: Carried, member: Member) -> str | None:
    flash(LATER, "warning")
    post = find_named(carried.key) or (find_post(carried.slug) if carried.slug else None)
    if carried.endpoint == "comments.add":
        if post is None or not post.is_published:
            return None
        data = {"text": carried.body, "parent": carried.parent or None}
        return show_comments(post, CommentForm(formdata=None, data=data))
    if post is not None and not member.may_edit(post):
        return None
    if not member.may(Permission.WRITE) or (post is None and carried.slug):
        return None
    key = carried.key if is_new(carried.key) else new_key()
    has_moved = post is not None and post.slug != carried.slug
    version = 0 if has_moved else carried.version
    facts = {"title": carried.title, "body": carried.body, "version": version}
    facts |= facts_of(post) | {"tags": carried.tags, "excerpt": carried.excerpt}
    return show_editor(PostForm(formdata=None, data={"key": key, **facts}), post)
