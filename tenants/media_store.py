"""The bytes of a site's uploaded files. Nothing else of the site reads or writes them.

They stand in the site's instance folder, so whatever copies or removes a site takes them along.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from flask import current_app

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = "media"
BLOCK = 1 << 18
KEY = re.compile(r"[0-9a-f]{32}")
"""What names an upload."""
_NAME = re.compile(r"[0-9a-z]{1,20}\.[a-z]{3,4}")


class MediaStore:
    """Files below a folder, each under a key and a name.

    A stored file is never changed: another content has another key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, key: str, name: str, content: IO[bytes]) -> None:
        """Store a file, and wait until it is on the disk.

        :raises OSError: There is no room; what was written of it is for :meth:`delete`.
        """
        path = self.path_of(key, name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("xb") as file:
            path.chmod(0o600)
            shutil.copyfileobj(content, file, BLOCK)
            file.flush()
            os.fsync(file.fileno())

    def open(self, key: str, name: str) -> IO[bytes]:
        """Open a file for reading.

        :raises FileNotFoundError: It is not there.
        """
        return self.path_of(key, name).open("rb")

    def delete(self, key: str) -> None:
        """Delete what is stored under a key, if anything is."""
        folder = self._folder_of(key)
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)
        with suppress(OSError):  # others are in it, or it was not there
            folder.parent.rmdir()

    def list_keys(self) -> Iterator[tuple[str, float]]:
        """Yield each key that has files, and the time of its last change (Unix time)."""
        for begin in _scan(self._folder):
            for entry in _scan(begin.path):
                if KEY.fullmatch(entry.name):
                    yield entry.name, entry.stat(follow_symlinks=False).st_mtime

    def path_of(self, key: str, name: str) -> Path:
        """Return where a file is, or would be.

        :raises FileNotFoundError: No file can have this key or name.
        """
        if _NAME.fullmatch(name) is None:
            raise FileNotFoundError(name)
        return self._folder_of(key) / name

    def _folder_of(self, key: str) -> Path:
        if KEY.fullmatch(key) is None:
            raise FileNotFoundError(key)
        return self._folder / key[:2] / key


def _scan(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return the folders in a folder; none if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def open_store() -> MediaStore:
    """Return the current site's files."""
    return MediaStore(Path(current_app.instance_path) / FOLDER)
