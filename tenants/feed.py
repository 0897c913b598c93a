"""The newest posts as an Atom feed (RFC 4287) and as a JSON Feed (version 1.1)."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from flask import Blueprint, Response

from tenantry import current_tenant
from tenants.embedding import embed_all, find_covers, path_of_file
from tenants.look import get_look, public_url
from tenants.publication import public_page
from tenants.reading import newest_posts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tenants.models import Post

bp = Blueprint("feed", __name__)

ATOM = "http://www.w3.org/2005/Atom"
XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
JSON_FEED = "https://jsonfeed.org/version/1.1"
NEVER = "1970-01-01T00:00:00Z"


@bp.get("/feed.xml")
@public_page
def atom() -> Response:
    """Serve the feed. Readers ask often, and mostly get a 304."""
    return Response(_feed(), content_type="application/atom+xml; charset=utf-8")


@bp.get("/feed.json")
@public_page
def json_feed() -> Response:
    """Serve the feed to readers that prefer JSON; it says what the Atom feed says."""
    site = get_look()
    feed = {
        "version": JSON_FEED,
        "title": site.name,
        "home_page_url": site.url,
        "feed_url": public_url("feed.json_feed"),
        "language": site.language,
        "items": _items(newest_posts()),
    }
    if site.tagline:
        feed["description"] = site.tagline
    body = json.dumps(feed, ensure_ascii=False)
    return Response(body, content_type="application/feed+json; charset=utf-8")


def _items(posts: Sequence[Post]) -> list[dict[str, Any]]:
    texts, covers = embed_all([post.html() for post in posts]), find_covers(posts)
    origin = get_look().url.rstrip("/")
    items = [_item(post, text) for post, text in zip(posts, texts, strict=True)]
    for post, item in zip(posts, items, strict=True):
        if post.id in covers:
            item["image"] = origin + path_of_file(covers[post.id])
    return items


def _item(post: Post, text: str) -> dict[str, Any]:
    assert post.published_at is not None
    item = {
        "id": _id_of(post),
        "url": public_url("pages.post", slug=post.slug),
        "title": post.title,
        "content_html": text,
        "date_published": _time(post.published_at),
        "date_modified": _time(_changed(post)),
        "authors": [{"name": post.author.name}],
    }
    return item | ({"tags": [tag.name for tag in post.tags]} if post.tags else {})


def _feed() -> bytes:
    site, posts = get_look(), newest_posts()
    root = ET.Element("feed", {"xmlns": ATOM, XML_BASE: site.url})
    _add(root, "id", f"urn:uuid:{uuid.UUID(current_tenant.id)}")
    _add(root, "title", site.name)
    if site.tagline:
        _add(root, "subtitle", site.tagline)
    _add(root, "updated", max((_time(_changed(post)) for post in posts), default=NEVER))
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": site.url})
    own = {"rel": "self", "type": "application/atom+xml", "href": public_url("feed.atom")}
    ET.SubElement(root, "link", own)
    texts = embed_all([post.html() for post in posts])
    for post, text in zip(posts, texts, strict=True):
        _add_entry(root, post, text)
    # Atom wants an author; a feed without entries has nobody but the site.
    author = ET.SubElement(root, "author")
    _add(author, "name", site.name)
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return body


def _add_entry(root: ET.Element, post: Post, text: str) -> None:
    assert post.published_at is not None
    entry = ET.SubElement(root, "entry")
    _add(entry, "id", _id_of(post))
    _add(entry, "title", post.title)
    url = public_url("pages.post", slug=post.slug)
    ET.SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": url})
    _add(entry, "published", _time(post.published_at))
    _add(entry, "updated", _time(_changed(post)))
    author = ET.SubElement(entry, "author")
    _add(author, "name", post.author.name)
    for tag in post.tags:
        ET.SubElement(entry, "category", {"term": tag.slug, "label": tag.name})
    _add(entry, "content", text, type="html")


def _id_of(post: Post) -> str:
    """Return what readers know the post again by, after a new title, slug or domain."""
    return uuid.uuid5(uuid.UUID(current_tenant.id), f"post:{post.id}").urn


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _changed(post: Post) -> datetime:
    """Return when readers could see the newest text: a scheduled post was written before."""
    return max(post.updated_at, post.published_at or post.updated_at)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
