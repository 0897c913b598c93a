"""SQLite files that a tenant's app opens by itself: copied whole while the app writes to them.

A plain copy of such a file has halves of transactions in it, or misses what still stands in the log
beside it. The file format is described at https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from tenantry.files.disk import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"SQLite format 3\x00"
_WRITE_VERSION, _WAL = 18, 2
"""The byte of the header that says how the file is written, and its value for a write-ahead log."""
_PARTS = ("-wal", "-shm", "-journal")
BUSY_SECONDS = 30.0
"""How long the app's own transaction may keep the file before the copy is given up."""


def is_database(file: BinaryIO) -> bool:
    """Return whether an open file is a SQLite database. Its position is the beginning afterwards."""
    file.seek(0)
    begins = file.read(len(MAGIC))
    file.seek(0)
    return begins == MAGIC


def is_part(path: Path) -> bool:
    """Return whether a file is the log of a SQLite database beside it, which the copy of that has."""
    for suffix in _PARTS:
        if path.name.endswith(suffix):
            main = path.with_name(path.name.removesuffix(suffix))
            if is_file(main):
                with reading(os.open(main, os.O_RDONLY)) as file:
                    return is_database(file)
    return False


@contextmanager
def reading(descriptor: int) -> Iterator[BinaryIO]:
    """Yield an open file, which may be a database that this process works with; close it afterwards.

    Closing any descriptor of a file drops all locks that the process has on it (fcntl(2)), those of its
    SQLite connections among them: another process would write in the middle of a transaction. So it
    stays open until the process has the file open nowhere else; a later call then closes it.
    """
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        with _closing:
            _unclosed.append(descriptor)
            _close_unused()


_closing = threading.Lock()
"""Owns :data:`_unclosed`."""
_unclosed: list[int] = []


def _close_unused() -> None:
    identities = {number: _identity(number) for number in _unclosed}
    users = Counter(_identity(int(name)) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    ours = Counter(identities.values())
    for number, identity in identities.items():
        if users[identity] == ours[identity]:
            os.close(number)
            _unclosed.remove(number)


def _identity(descriptor: int) -> tuple[int, int]:
    try:
        found = os.fstat(descriptor)
    except OSError:  # closed meanwhile
        return (0, 0)
    return found.st_dev, found.st_ino


def copy(source: Path, file: BinaryIO, target: Path) -> None:
    """Copy a database to *target*, as it is between two transactions.

    :param file: The same file, opened without following a link.
    :raises OSError: The app did not let go of it in time.
    """
    uri = f"file:{quote(str(source))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as database:
            database.execute("BEGIN")
            database.execute(
                "SELECT count(*) FROM sqlite_master"
            )  # from here on nobody writes over it
            _check_same(source, file)
            file.seek(_WRITE_VERSION)
            if file.read(1) == bytes([_WAL]):
                with closing(sqlite3.connect(target)) as copied:
                    database.backup(copied)
                return
            _pour(file, target)
    except sqlite3.OperationalError as error:
        raise OSError(error.args[0], str(error), str(source)) from error
    except sqlite3.DatabaseError:
        _pour(file, target)  # it only begins like a database: a visitor may have uploaded it


def _check_same(source: Path, file: BinaryIO) -> None:
    """Refuse a file that was replaced by another one, or by a link, since it was opened."""
    now, opened = os.lstat(source), os.fstat(file.fileno())
    if (now.st_dev, now.st_ino) != (opened.st_dev, opened.st_ino):
        raise FileNotFoundError(2, "it was replaced meanwhile", str(source))


def _pour(file: BinaryIO, target: Path) -> None:
    file.seek(0)
    with target.open("wb") as copied:
        shutil.copyfileobj(file, copied)
