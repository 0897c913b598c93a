"""Connections to a tenant's SQLite file: confined to it, prepared, and checked at each use."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError

from tenantry.databases.authorizer import restrict
from tenantry.databases.refusal import tell_moves
from tenantry.databases.timing import TimedConnection
from tenantry.errors import LinkedPlaceError
from tenantry.files.disk import is_file

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from sqlalchemy import Engine

    from tenantry.databases.engine_cache import ClosingPool

BUSY_SECONDS = 5
DESCRIPTORS = 3
"""What a connection takes: the file, its write-ahead log and the index of that."""
_FILE = "tenantry.file"
"""Key under which a pooled connection remembers its file; the path is empty in memory."""
_PLATFORMS = "tenantry.platforms"
"""Key under which a connection of the platform's own work is marked."""


def check_own(path: Path) -> None:
    """Make sure that neither a tenant's file nor its folder is a link.

    A user who can put one there could make a site show, and write to, another site's data.

    :raises LinkedPlaceError: One does.
    """
    for place in (path.parent, path):
        try:
            found = os.lstat(place)
        except OSError:
            continue  # nothing is no link; opening it will tell
        if stat.S_ISLNK(found.st_mode):
            problem = f"{place} is a link, and may lead to another tenant's data"
            raise LinkedPlaceError("local", problem)


def confine(engine: Engine) -> Engine:
    """Make every connection of *engine* safe: no way into another file, foreign keys enforced.

    A pooled connection is used again only while its file is the one that stands under its name. The
    time of its statements is counted, unless the engine has a ``creator`` of its own.
    """
    if not event.contains(engine, "checkout", check_file):
        guard(engine)
        event.listen(engine, "do_connect", _count_time)
        tell_moves(engine)
    return engine


def guard(target: Engine | type[ClosingPool]) -> None:
    """Have the connections of an engine, or of a whole kind of pools, prepared and checked."""
    event.listen(target, "connect", prepare)
    event.listen(target, "checkout", check_file)


_NO_INDEX = frozenset(
    {
        "SQLITE_IOERR_SHMSIZE",
        "SQLITE_IOERR_SHMOPEN",
        "SQLITE_IOERR_SHMMAP",
        "SQLITE_CANTOPEN",
        "SQLITE_READONLY_CANTINIT",
        "SQLITE_READONLY_DIRECTORY",
    }
)
"""What SQLite says where the index of a write-ahead log cannot be made."""


def lacks_index(error: sqlite3.Error, path: Path) -> bool:
    """Say whether a file cannot be opened only because no log can be made beside it, and needs none.

    On a full disk, or in a folder that may not be written to, SQLite cannot even read a database in
    WAL mode that nobody else has open. Without anything in the log, the file alone is the whole
    database, and nobody can be writing to it.
    """
    if getattr(error, "sqlite_errorname", "") not in _NO_INDEX or not is_file(path):
        return False
    try:
        return path.with_name(path.name + "-wal").stat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _count_time(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    options.setdefault("factory", TimedConnection)


def check_file(connection: Any, record: Any, _proxy: Any) -> None:
    """Make sure that a pooled connection's file still stands under its name.

    An open handle outlives the name: it would go on writing, and acknowledging, into a file that was
    deleted or that a restored one has replaced.
    """
    prepare(connection, record)  # it may have been opened before its engine was confined
    path, identity = record.info[_FILE]
    if path and identity_of(path) != identity:
        raise DisconnectionError(f"{path} is not the file that was opened")


def identity_of(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - for each request that asks the database
    except OSError:
        return None
    return found.st_dev, found.st_ino


def mark_platforms(_connection: Any, record: Any) -> None:
    """Let a connection do what the platform's own work needs; listens to the event ``connect``."""
    record.info[_PLATFORMS] = True


def prepare(connection: Any, record: Any) -> None:
    """Confine a new connection; one that is confined already stays as it is."""
    if _FILE in record.info:
        return
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    path = cursor.execute("PRAGMA database_list").fetchone()[2]
    cursor.close()
    restrict(connection, is_platforms=_PLATFORMS in record.info)
    record.info[_FILE] = (path, identity_of(path) if path else None)
