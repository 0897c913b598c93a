"""The template that new SQLite databases are copied from."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.files.atomic import rename
from tenantry.files.disk import is_file
from tenantry.files.locks import lock_descriptor
from tenantry.migrations.upgrade import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.migrations.history import History

DRAFT = ".draft"
"""The one that is being made; the process that makes one has the lock."""
KEPT_SECONDS = 30 * 86_400
"""Older templates of other schemas go when a new one is made."""


def sqlite_template(history: History, folder: Path) -> Path:
    """Return an empty database at the newest revision; the first who asks makes it.

    :param folder: Where templates are kept, for all processes of the machine.
    """
    path = folder / f"{history.fingerprint}.sqlite3"
    if is_file(path):
        return path
    with one_at_a_time(folder):
        if not is_file(path):
            _make(history, path)
            _remove_old(folder, but=path)
    return path


def _make(history: History, path: Path) -> None:
    draft = SiteDatabase(path.with_name(DRAFT))
    draft.drop()  # of a process that was killed
    try:
        draft.create()
        upgrade(draft, history)  # the last connection that closes moves the log into the file
        rename(draft.path, path, lasting=False)
    finally:
        draft.drop()


def _remove_old(folder: Path, *, but: Path) -> None:
    oldest = time.time() - KEPT_SECONDS
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if path != but and path.suffix == ".sqlite3" and path.stat().st_mtime < oldest:
                path.unlink()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process of the machine at a time make a template. The lock's file stays."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as file:
        lock_descriptor(file.fileno())
        yield
