"""Validates the file names in a bundle: relative paths inside the tenant's folder."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_NAME = 255
MAX_PATH = 1024
_DATABASE = "site.sqlite3"
"""The database's own file, and its companions with a suffix, travel as rows."""


def is_database_file(path: str) -> bool:
    """Say whether this is the database, its log, or what SQLite leaves beside it."""
    return path == _DATABASE or path.startswith(_DATABASE + "-")


def check_file_names(paths: Iterable[str], empty: Iterable[str] = ()) -> None:
    """Make sure that each path stays inside the folder, and that no two are in each other's way.

    :param empty: Paths of empty folders.
    :raises ValueError: One of them does not.
    """
    seen: set[str] = set()
    folders: set[str] = set()
    for path in (*paths, *empty):
        _check(path)
        if path in seen:
            raise ValueError(f"{path!r} is there twice")
        seen.add(path)
        folders.update(str(folder) for folder in PurePosixPath(path).parents)
    if both := seen & folders:
        raise ValueError(f"{min(both)!r} is a file and a folder")


def _check(path: str) -> None:
    parts = path.split("/")
    if not path or "\0" in path or len(path) > MAX_PATH or any(len(p) > MAX_NAME for p in parts):
        raise ValueError(f"{path[:80]!r} is not the name of a file")
    if any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path[:80]!r} leaves the folder")
    if is_database_file(path):
        raise ValueError(f"{path!r} is the database's own name")
