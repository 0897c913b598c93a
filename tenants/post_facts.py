"""What a form says of a post beside its title and text.

That is: its tags, its cover, its excerpt, its address, where it is shown, and when it is published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from tenants.addresses import follows_title, free_slug, is_free, move_post
from tenants.database import now
from tenants.media_library import find_media
from tenants.publication import publish, take_back
from tenants.tags import read_tags, set_tags
from tenants.text import slugify

if TYPE_CHECKING:
    from datetime import datetime

    from tenants.forms import PostForm
    from tenants.models import Post

TEXT = frozenset({"title", "body", "excerpt"})
"""Fields that are the text itself."""
PASSED = "This moment has passed. Leave the field empty to publish now."
NO_DRAFT = "A draft stays one. Choose “Publish” to schedule it, or leave this empty."
TAKEN = "Another post has this address, or had it. Choose another one."


def facts_of(post: Post | None) -> dict[str, Any]:
    """Return what the form of a post, or of a new one, is filled with beside its text and tags."""
    if post is None:
        return {"kind": "post"}
    return {
        "cover": _cover_of(post),
        "excerpt": post.excerpt,
        "address": post.slug,
        "kind": _kind_of(post),
        "publish_at": post.published_at if post.is_scheduled else None,
    }


def find_fault(form: PostForm, post: Post | None) -> tuple[str, str] | None:
    """Return the name of a field that does not fit the post, and why."""
    address, at = form.address.data, form.publish_at.data
    slug = choose_slug(form, post) if post else slugify(address)
    if address and not is_free(slug, post_id=post and post.id):
        return "address", TAKEN
    if at is None or (post is not None and post.is_published):
        return None
    intent = request.form.get("intent")
    if intent == "draft":
        return "publish_at", NO_DRAFT
    return ("publish_at", PASSED) if intent in {"publish", "save"} and at <= now() else None


def find_changes(form: PostForm, post: Post) -> set[str]:
    """Return the names of the fields that say something else than the post.

    A field that was not sent changes nothing.
    """
    sent = TEXT & request.form.keys()
    changes = {name for name in sent if form[name].data != (getattr(post, name) or "")}
    if "tags" in request.form:
        named = {slugify(name) for name in read_tags(form.tags.data)}
        if named != {tag.slug for tag in post.tags}:
            changes.add("tags")
    if "cover" in request.form and form.cover.data != _cover_of(post):
        changes.add("cover")
    if choose_slug(form, post) != post.slug:
        changes.add("address")
    if form.kind.data and form.kind.data != _kind_of(post):
        changes.add("kind")
    if (at := form.publish_at.data) and post.is_scheduled and at != post.published_at:
        changes.add("publish_at")
    return changes


def take_facts(post: Post, form: PostForm) -> None:
    """Let the post have what the form says beside title, text and tags."""
    _set_address(post, form)
    if form.kind.data:
        post.is_page = form.kind.data == "page"
        post.is_featured = form.kind.data == "featured"
    if "cover" in request.form:
        cover = find_media(form.cover.data)
        post.cover = cover if cover is not None and cover.is_picture else None
    if "excerpt" in request.form:
        post.excerpt = form.excerpt.data
    _set_publication(post, request.form.get("intent"), form.publish_at.data)


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


def _cover_of(post: Post) -> str:
    return post.cover.key if post.cover else ""


def _kind_of(post: Post) -> str:
    return "page" if post.is_page else "featured" if post.is_featured else "post"


def _set_publication(post: Post, intent: str | None, at: datetime | None) -> None:
    if intent == "unpublish":
        take_back(post)
    elif intent == "publish-now":
        publish(post)
    elif intent == "publish":
        publish(post, at=at)
    elif intent == "save" and at is not None and post.is_scheduled:
        post.published_at = at


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
