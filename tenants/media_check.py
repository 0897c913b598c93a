"""Checks a site's uploaded files: ``tenantry flask SLUG media verify``."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import click
from flask.cli import AppGroup
from sqlalchemy import select

from tenants.database import db
from tenants.media_models import Media
from tenants.media_store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

UNUSED_AFTER_SECONDS = 3600.0
"""Files that no upload lists are left over only then: an upload stores before it lists."""

commands = AppGroup("media", help="Uploaded files.")


@commands.command("verify")
@click.option("--remove-unlisted", is_flag=True, help="Delete files that no upload lists.")
def verify(*, remove_unlisted: bool) -> None:
    """Compare each stored file with the checksum that was noted when it was uploaded.

    A file that is missing or changed is reported, and the exit status is 1. Restore it from a backup.
    """
    faults = 0
    for fault in find_faults():
        click.echo(fault)
        faults += 1
    unlisted = list(find_unlisted())
    for key in unlisted:
        if remove_unlisted:
            open_store().delete(key)
        done = "deleted" if remove_unlisted else "add --remove-unlisted to delete it"
        click.echo(f"media/{key[:2]}/{key}: no upload lists it; {done}")
    if faults:
        raise SystemExit(1)
    click.echo("Every uploaded file is as it was stored.")


def find_faults() -> Iterator[str]:
    """Yield a sentence about each stored file that is missing or changed."""
    store = open_store()
    for media in db.session.scalars(select(Media).order_by(Media.id)):
        for file in media.files:
            place = f"media/{media.key[:2]}/{media.key}/{file.name} (“{media.file_name}”)"
            try:
                with store.open(media.key, file.name) as stored:
                    digest = hashlib.file_digest(stored, "sha256").hexdigest()  # type: ignore[arg-type]
            except FileNotFoundError:
                yield f"{place}: missing"
                continue
            if digest != file.digest:
                yield f"{place}: changed since it was uploaded"


def find_unlisted() -> Iterator[str]:
    """Yield the key of what is stored, and listed by no upload: a crash can leave it."""
    listed = set(db.session.scalars(select(Media.key)))
    for key, changed in open_store().list_keys():
        if key not in listed and time.time() - changed > UNUSED_AFTER_SECONDS:
            yield key
