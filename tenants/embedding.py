"""Puts uploaded files into pages: pictures in the sizes that a browser chooses from.

Stored HTML names a picture by its key alone. What it becomes is asked for when the page is made, so a
new description shows everywhere, and a deleted picture leaves its words.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from flask import request
from markupsafe import Markup
from sqlalchemy import select

from tenants.database import db
from tenants.look import get_look, path_of
from tenants.media_models import Media, PostCover

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SIZES = "(max-width: 46rem) 100vw, 44rem"
"""How wide a picture is shown: as the column of text."""
THUMBNAIL = "(max-width: 30rem) 50vw, 14rem"

_PICTURE = re.compile(r'<img src="/media/([0-9a-f]{32})[^"]*" alt="([^"]*)">')
_LINK = '<a href="/media/'


def embed(text: str) -> Markup:
    """Return a text's HTML with its pictures, for a page."""
    return Markup(embed_all([text], base=request.script_root)[0])  # noqa: S704 - made by us


def embed_all(texts: Sequence[str], *, base: str | None = None) -> list[str]:
    """Return texts with their pictures, asking the database once for all of them.

    :param base: What stands before paths; without it the URLs are whole, as feeds need them.
    """
    base = get_look().url.rstrip("/") if base is None else base
    keys = {key for text in texts for key, _ in _PICTURE.findall(text)}
    found = _find_all(keys)

    def show(match: re.Match[str]) -> str:
        media, alt = found.get(match[1]), html.unescape(match[2])
        if media is None:
            return str(Markup.escape(alt))
        return str(picture(media, alt=alt or media.alt, base=base))

    shown = (_PICTURE.sub(show, text) for text in texts)
    return [text.replace(_LINK, f'<a href="{base}/media/') for text in shown]


def picture(
    media: Media,
    *,
    alt: str | None = None,
    base: str | None = None,
    sizes: str = SIZES,
    eager: bool = False,
) -> Markup:
    """Return the HTML of a picture; of a file to download, a link.

    :param alt: Its description here; without it, that of the library.
    :param base: What stands before its path; by default where the site is mounted.
    :param eager: Whether it stands at the top of a page, and is wanted at once.
    """
    base = request.script_root if base is None else base
    alt = media.alt if alt is None else alt
    shown = [file for file in media.files if file.name.endswith(".webp")]
    if not media.is_picture or not shown:
        return Markup('<a href="{}">{}</a>').format(
            base + path_of_file(media), alt or media.file_name
        )
    sources = ", ".join(f"{base}{path_of_file(media, it.name)} {it.width}w" for it in shown)
    return Markup(
        '<picture><source type="image/webp" srcset="{}" sizes="{}">'
        '<img src="{}" alt="{}" width="{}" height="{}" loading="{}" decoding="async"></picture>'
    ).format(
        sources,
        sizes,
        base + path_of_file(media),
        alt,
        shown[-1].width,
        shown[-1].height,
        "eager" if eager else "lazy",
    )


def path_of_file(media: Media, name: str | None = None) -> str:
    """Return the path of a file below the site's root.

    :param name: Of one of its sizes; by default of what every program can use.
    """
    if name is None and media.is_picture:
        name = next((it.name for it in media.files if it.name.startswith("picture.")), "none")
    return path_of("media.file", key=media.key, name=name or media.file_name)


def markdown_of(media: Media) -> str:
    """Return what to write in a post, to show the file or to lead to it."""
    label = re.sub(r"([\\\[\]])", r"\\\1", media.alt if media.is_picture else media.file_name)
    if media.is_picture:
        return f"![{label}](/media/{media.key})"
    # A parenthesis of the name alone would end the link.
    path = path_of_file(media).replace("(", "%28").replace(")", "%29")
    return f"[{label}]({path})"


def find_covers(posts: Iterable[Any]) -> Mapping[int, Media]:
    """Return the covers of posts, by the posts' ids; rows of a listing will do."""
    ids = [post.id for post in posts]
    if not ids:
        return {}
    query = select(PostCover.post_id, Media).join(Media, Media.id == PostCover.media_id)
    return dict(db.session.execute(query.where(PostCover.post_id.in_(ids))).tuples().all())


def _find_all(keys: set[str]) -> Mapping[str, Media]:
    if not keys:
        return {}
    found = db.session.scalars(select(Media).where(Media.key.in_(keys))).all()
    return {media.key: media for media in found}
