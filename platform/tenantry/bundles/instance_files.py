"""Copies the files of a tenant's folder into a bundle and back."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tenantry.bundles import live_databases
from tenantry.bundles.file_names import check_file_names, is_database_file
from tenantry.bundles.manifest import FILES, Member
from tenantry.bundles.streams import BLOCK
from tenantry.errors import BundleError
from tenantry.files.atomic import draft, rename
from tenantry.files.disk import is_file, is_symlink

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader


@dataclass(frozen=True, slots=True)
class Copied:
    """What was in a folder."""

    files: tuple[Member, ...]
    folders: tuple[str, ...]
    """Those that are empty."""
    left_out: tuple[str, ...]
    """What is neither file nor folder."""


def copy_files(folder: Path, parts: Path, *, name: str) -> Copied:
    """Copy the files of *folder* below *parts*.

    The database's own files are passed over, and so is what disappears meanwhile. SQLite files that an
    app opens by itself are copied as they are between two of its transactions.

    :param name: What errors call the site.
    :raises BundleError: A file cannot be read, or has a name that no bundle can hold.
    """
    if is_symlink(folder):
        raise BundleError(
            name, f"its folder {folder} is a link, and may lead to another tenant's data"
        )
    members: list[Member] = []
    folders: list[str] = []
    left_out: list[str] = []
    try:
        for path, entry in _walk(folder, ""):
            if is_database_file(path) or live_databases.is_part(entry):
                continue
            if path.endswith("/"):
                folders.append(path[:-1])
                continue
            member = _copy(entry, parts / FILES / path, path)
            if member is None:
                left_out.append(path)
            else:
                members.append(member)
        check_file_names([str(member.path) for member in members], folders)
    except OSError as error:
        problem = f"its file {error.filename} cannot be copied ({error.strerror})"
        raise BundleError(name, problem) from error
    except ValueError as error:
        raise BundleError(name, str(error)) from error
    return Copied(tuple(members), tuple(folders), tuple(left_out))


def find_app_databases(folder: Path) -> tuple[str, ...]:
    """Return the SQLite files that a tenant's app opens by itself, by their paths in its folder.

    :raises OSError: A file cannot be read.
    """
    found = []
    for path, entry in _walk(folder, ""):
        if is_database_file(path) or path.endswith("/") or is_symlink(entry) or not is_file(entry):
            continue
        with live_databases.reading(os.open(entry, os.O_RDONLY | os.O_NOFOLLOW)) as file:
            if live_databases.is_database(file):
                found.append(path)
    return tuple(found)


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    """Yield what is no folder, and empty folders with a slash behind them."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    if prefix and not entries:
        yield prefix, folder
    for entry in entries:
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), path + "/")
        else:
            yield path, Path(entry.path)


def _copy(source: Path, target: Path, path: str) -> Member | None:
    """Copy a plain file; anything else could be a way out of the folder."""
    try:
        # Without waiting: a named pipe would never open.
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        if is_symlink(source) or not is_file(source):
            return None
        raise
    with live_databases.reading(descriptor) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if live_databases.is_database(file):
            live_databases.copy(source, file, target)
            with target.open("rb") as copied:
                return Member(FILES + path, target.stat().st_size, _digest(copied))
        with target.open("xb") as copy:
            size, digest = _pour(file, copy)
    return Member(FILES + path, size, digest)


def _digest(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _pour(source: BinaryIO, target: BinaryIO) -> tuple[int, str]:
    summed, size = hashlib.sha256(), 0
    while part := source.read(BLOCK):
        target.write(part)
        summed.update(part)
        size += len(part)
    return size, summed.hexdigest()


def move_files(copied: Copied, parts: Path, folder: Path) -> None:
    """Move files that :func:`copy_files` has copied to where they belong in *folder*."""
    for member in copied.files:
        assert member.path is not None
        rename(parts / member.name, _place(folder, member.path), lasting=False)
    make_folders(copied.folders, folder)


def make_folders(paths: Iterable[str], folder: Path) -> None:
    """Make the empty folders of a bundle in *folder*."""
    for path in paths:
        _place(folder, path).mkdir(mode=0o700, exist_ok=True)


def place_file(content: BinaryIO, folder: Path, path: str) -> None:
    """Put a file where it belongs in *folder*; one that is there is replaced.

    :param path: One that :func:`~tenantry.bundles.file_names.check_file_names` has let pass.
    """
    with draft(_place(folder, path)) as file:
        shutil.copyfileobj(content, file, BLOCK)


def _place(folder: Path, path: str) -> Path:
    """Make the folders that lead to a file."""
    target = folder / path
    for parent in reversed(target.relative_to(folder).parents[:-1]):
        place = folder / parent
        place.mkdir(mode=0o700, exist_ok=True)
        if is_symlink(place):
            raise FileExistsError(f"{place} is a link")
    return target
