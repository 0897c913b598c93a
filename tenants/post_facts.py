"""What a form says of a post beside its title and text: its tags, its address, where it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from tenants.addresses import follows_title, free_slug, move_post
from tenants.tags import read_tags, set_tags
from tenants.text import slugify

if TYPE_CHECKING:
    from tenants.forms import PostForm
    from tenants.models import Post

TEXT = frozenset({"title", "body"})
"""Fields that are the text itself."""


def facts_of(post: Post | None) -> dict[str, Any]:
    """Return what the form of a post, or of a new one, is filled with beside its text and tags."""
    if post is None:
        return {"kind": "post"}
    return {"address": post.slug, "kind": "page" if post.is_page else "post"}


def find_changes(form: PostForm, post: Post) -> set[str]:
    """Return the names of the fields that say something else than the post.

    A field that was not sent changes nothing.
    """
    changes = {name for name in TEXT if form[name].data != getattr(post, name)}
    if "tags" in request.form:
        named = {slugify(name) for name in read_tags(form.tags.data)}
        if named != {tag.slug for tag in post.tags}:
            changes.add("tags")
    if choose_slug(form, post) != post.slug:
        changes.add("address")
    if form.kind.data and (form.kind.data == "page") != bool(post.is_page):
        changes.add("kind")
    return changes


def take_facts(post: Post, form: PostForm) -> None:
    """Let the post have what the form says beside title, text and tags."""
    _set_address(post, form)
    if form.kind.data:
        post.is_page = form.kind.data == "page"


def take_tags(post: Post, form: PostForm) -> None:
    """Let the post have the form's tags; it has to have an id."""
    if "tags" in request.form:
        set_tags(post, read_tags(form.tags.data))


def choose_slug(form: PostForm, post: Post) -> str:
    """Return the slug that the form chooses; an empty field keeps the post's own."""
    chosen = slugify(form.address.data) if form.address.data else post.slug
    if chosen == (request.view_args or {}).get("slug"):
        return post.slug  # the editor was opened there: another one may have moved the post since
    return chosen


def _set_address(post: Post, form: PostForm) -> None:
    """Give the post the address that was chosen, or one that fits its title."""
    chosen = choose_slug(form, post)
    if chosen != post.slug:
        move_post(post, chosen)
    elif post.slug is None or (
        # A published post keeps the address that others link to.
        post.title != form.title.data and not post.is_published and follows_title(post)
    ):
        post.slug = free_slug(form.title.data, post_id=post.id)
