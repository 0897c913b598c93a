"""What a site knows of its uploaded files; :mod:`tenants.media_store` has their bytes."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from tenants.database import db, now

Model: Any = db.Model


class Media(Model):
    """An uploaded file: a picture in several sizes, or a file to download."""

    __tablename__ = "media"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    """Random; names the file in addresses and on the disk."""
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of what was uploaded: the same file is kept once."""
    file_name: Mapped[str] = mapped_column(String(120))
    """As it was uploaded, without what is no name."""
    is_picture: Mapped[bool]
    alt: Mapped[str] = mapped_column(String(400), default="")
    """What the picture shows, for people who do not see it."""
    uploader_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now, index=True)

    files: Mapped[list[MediaFile]] = relationship(
        order_by="MediaFile.width, MediaFile.name",
        lazy="selectin",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )

    @property
    def size(self) -> int:
        """Bytes that it takes in all its sizes."""
        return sum(file.size for file in self.files)


class MediaFile(Model):
    """One stored file: a size of a picture, or what is downloaded."""

    __tablename__ = "media_file"

    media_id: Mapped[int] = mapped_column(
        ForeignKey("media.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    width: Mapped[int] = mapped_column(default=0)
    """In pixels; 0: it is no picture."""
    height: Mapped[int] = mapped_column(default=0)
    size: Mapped[int]
    """In bytes."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the stored bytes."""


class PostCover(Model):
    """The picture that stands above a post and beside links to it."""

    __tablename__ = "post_cover"

    post_id: Mapped[int] = mapped_column(
        ForeignKey("post.id", ondelete="CASCADE"), primary_key=True
    )
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id", ondelete="CASCADE"), index=True)
