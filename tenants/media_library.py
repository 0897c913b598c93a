"""The files that a site's authors have uploaded: adding, finding and deleting them."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from tenants.database import db
from tenants.media_models import Media, MediaFile, PostCover
from tenants.media_store import KEY, open_store
from tenants.models import Post
from tenants.pictures import MIN_BYTES_READ, is_picture, make_versions
from tenants.reading import get_page
from tenants.room import find_fullness
from tenants.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from tenantry import Page
    from tenants.media_store import MediaStore

PER_PAGE = 24
TO_CHOOSE = 50
"""Pictures that an editor offers as a cover."""
NAME_LENGTH = 120
DOWNLOAD = "file.bin"
"""What a file to download is called on the disk; browsers are told its own name."""


class NoRoomError(Exception):
    """The site's plan has no room for the file; the message says so."""


class EmptyFileError(ValueError):
    """The file has no bytes."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A file to store."""

    name: str
    width: int
    height: int
    content: IO[bytes]
    size: int
    digest: str


def add_file(file: IO[bytes], *, name: str, alt: str, uploader_id: int) -> Media:
    """Keep an uploaded file. One that is there already is kept once.

    :param name: As the uploader's computer calls it.
    :raises EmptyFileError: It is empty.
    :raises BadPictureError: It begins as a picture and cannot be used as one.
    :raises PicturesBusyError: Too many pictures are worked on now.
    :raises NoRoomError: The plan has no room for it.
    :raises OSError: The disk has none.
    """
    head = file.read(MIN_BYTES_READ)
    if not head:
        raise EmptyFileError("The file is empty. Choose another one.")
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    if (known := _find_same(digest)) is not None:
        return _describe(known, alt)
    file.seek(0)
    picture = is_picture(head)
    parts = _make_parts(file) if picture else [_whole(file, digest)]
    if (full := find_fullness(adding=sum(part.size for part in parts))) is not None:
        raise NoRoomError(full)
    media = Media(
        key=secrets.token_hex(16),
        digest=digest,
        file_name=clean_file_name(name),
        is_picture=picture,
        alt=alt,
        uploader_id=uploader_id,
    )
    return _keep(media, parts)


def find_media(key: str) -> Media | None:
    """Return the file of this key."""
    if KEY.fullmatch(key) is None:
        return None  # PostgreSQL refuses some characters
    found: Media | None = db.session.scalar(select(Media).where(Media.key == key))
    return found


def list_media(query: str, number: int) -> Page[Media]:
    """Return a page of the files, the newest first.

    :param query: Only those with all of these in name or description; empty for all.
    """
    chosen = select(Media)
    for word in query.split():
        name = Media.file_name.icontains(word, autoescape=True)
        chosen = chosen.where(name | Media.alt.icontains(word, autoescape=True))
    total = db.session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
    newest = chosen.order_by(Media.created_at.desc(), Media.id.desc())
    rows = db.session.scalars(newest.limit(PER_PAGE).offset((number - 1) * PER_PAGE)).all()
    return get_page(rows, total=total, number=number, size=PER_PAGE)


def list_choices(chosen: str) -> dict[str, str]:
    """Return the names of the newest pictures by their keys, for a choice among them.

    :param chosen: The key of the one that is there, however old it is.
    """
    query = select(Media.key, Media.file_name).where(Media.is_picture)
    newest = query.order_by(Media.created_at.desc(), Media.id.desc()).limit(TO_CHOOSE)
    choices = dict(db.session.execute(newest).tuples().all())
    if KEY.fullmatch(chosen) and chosen not in choices:
        choices |= dict(db.session.execute(query.where(Media.key == chosen)).tuples().all())
    return {"": "None"} | choices


def list_uses(media: Media, visible: ColumnElement[bool]) -> Sequence[Post]:
    """Return the posts that show the file or lead to it.

    :param visible: Which posts may be named.
    """
    covered = select(PostCover.post_id).where(PostCover.media_id == media.id)
    uses = Post.body.contains(f"/media/{media.key}") | Post.id.in_(covered)
    query = select(Post).where(uses, Post.deleted_at.is_(None), visible)
    return db.session.scalars(query.order_by(Post.id.desc()).limit(PER_PAGE)).all()


def delete_media(media: Media) -> None:
    """Delete a file. Posts show its description in its place."""
    db.session.delete(media)
    db.session.commit()
    open_store().delete(media.key)  # after the commit: what is still listed is still there


def clean_file_name(name: str) -> str:
    r"""Return a file's name without folders and without characters that nobody sees.

    >>> clean_file_name("C:\\photos\\tower.jpg")
    'tower.jpg'
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    seen = "".join(letter for letter in last if unicodedata.category(letter) != "Cf")
    cleaned = clean_line(seen)[-NAME_LENGTH:].strip(". ")
    return cleaned or "file"


def _find_same(digest: str) -> Media | None:
    found: Media | None = db.session.scalar(select(Media).where(Media.digest == digest))
    return found


def _describe(media: Media, alt: str) -> Media:
    """Take the description, if the file has none yet."""
    if alt and not media.alt:
        media.alt = alt
        db.session.commit()
    return media


def _make_parts(file: IO[bytes]) -> list[_Part]:
    return [
        _Part(
            version.name,
            version.width,
            version.height,
            BytesIO(version.content),
            len(version.content),
            hashlib.sha256(version.content).hexdigest(),
        )
        for version in make_versions(file)
    ]


def _whole(file: IO[bytes], digest: str) -> _Part:
    size = file.seek(0, 2)
    file.seek(0)
    return _Part(DOWNLOAD, 0, 0, file, size, digest)


def _keep(media: Media, parts: Sequence[_Part]) -> Media:
    """Store the parts and then say that they are there."""
    store = open_store()
    try:
        _store(store, media.key, parts)
        media.files = [
            MediaFile(
                name=part.name,
                width=part.width,
                height=part.height,
                size=part.size,
                digest=part.digest,
            )
            for part in parts
        ]
        db.session.add(media)
        db.session.commit()
    except IntegrityError:  # somebody has uploaded the same file at the same moment
        db.session.rollback()
        store.delete(media.key)
        if (same := _find_same(media.digest)) is None:
            raise
        return _describe(same, media.alt)
    except BaseException:
        db.session.rollback()
        store.delete(media.key)
        raise
    return media


def _store(store: MediaStore, key: str, parts: Sequence[_Part]) -> None:
    for part in parts:
        store.write(key, part.name, part.content)
