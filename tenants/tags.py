"""Tags: subjects that posts share, each with a page of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, abort, render_template
from sqlalchemy import delete, select

from tenants.database import db
from tenants.models import PostTag, Tag
from tenants.publication import public_page
from tenants.reading import find_tag, list_published, list_tags, page_number
from tenants.text import clean_line, slugify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask.typing import ResponseReturnValue

    from tenants.models import Post

bp = Blueprint("tags", __name__)

MAX_TAGS = 10
TAG_LENGTH = 40


@bp.get("/tags")
@public_page
def index() -> str:
    """List all tags."""
    return render_template("site/tags.html", tags=list_tags())


@bp.get("/tags/<slug>")
@public_page
def tag(slug: str) -> ResponseReturnValue:
    """Show a page of the newest posts that have a tag."""
    found = find_tag(slug)
    page = list_published(page_number(), tag=found) if found else None
    if page is None or not page.total:
        abort(404)
    return render_template("site/tag.html", tag=found, page=page)


def read_tags(text: str) -> list[str]:
    """Return the names in what was typed, each once.

    :raises ValueError: There are too many, or one is too long or has neither letter nor number.
    """
    names: dict[str, str] = {}
    for name in filter(None, map(clean_line, text.split(","))):
        if len(name) > TAG_LENGTH:
            raise ValueError(f"“{name[:TAG_LENGTH]}…” is longer than {TAG_LENGTH} characters.")
        if not any(letter.isalnum() for letter in name):
            raise ValueError(f"“{name}” needs a letter or a number.")
        names.setdefault(slugify(name), name)
    if len(names) > MAX_TAGS:
        raise ValueError(f"A post can have {MAX_TAGS} tags; these are {len(names)}.")
    return list(names.values())


def set_tags(post: Post, names: Sequence[str]) -> None:
    """Give the post these tags and no other. A tag that no post has any more goes away."""
    wanted = {slugify(name): name for name in names}
    found = db.session.scalars(select(Tag).where(Tag.slug.in_(wanted))).all()
    missing = wanted.keys() - {it.slug for it in found}
    post.tags = [*found, *(Tag(slug=slug, name=wanted[slug]) for slug in sorted(missing))]
    db.session.flush()
    db.session.execute(delete(Tag).where(Tag.id.not_in(select(PostTag.tag_id))))
