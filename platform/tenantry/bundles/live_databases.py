"""SQLite files that a tenant's app opens by itself: copied whole while the app writes to them.

A plain copy of such a file has halves of transactions in it, or misses what still stands in the log
beside it. The file format is described at https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from tenantry.files.disk import is_file

if TYPE_CHECKING:
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
                with main.open("rb") as file:
                    return is_database(file)
    return False


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
