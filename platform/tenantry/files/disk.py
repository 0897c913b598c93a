"""Explains errors of the disk: full, read-only, not permitted.

Libraries wrap what the system said in errors of their own; here it is found again.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What the system says of a path at which nothing is; everything else means that it cannot tell."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
LEAST_FREE = 64 * 1024
"""Bytes below which nothing useful fits on a disk: SQLite's shared memory alone takes 32 KiB."""

REMEDIES = {
    errno.ENOSPC: "Make room on that disk",
    errno.EDQUOT: "Raise that quota, or make room",
    errno.EROFS: "Mount that file system for writing",
    errno.EACCES: "Give access to the user of this command",
    errno.EPERM: "Give access to the user of this command",
    errno.EIO: "Check that disk; the system's log has details",
    errno.ELOOP: "Replace the link with the file or folder itself",
    errno.ENOTDIR: "Remove the file: a folder has to be there",
    errno.EISDIR: "Remove the folder: a file has to be there",
    errno.EMFILE: "Allow the process more open files (`ulimit -n`)",
    errno.ENFILE: "Allow the machine more open files",
    errno.ENODEV: "Check that the disk is mounted",
    errno.ESTALE: "Check that the disk is mounted",
}
"""What to do about it, for those failures that are the machine's and not a mistake of ours."""

_SQLITE_FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"})
"""The second: there is no room for the index of its log, which it needs even for reading."""
_DISK_FULL = "53100"
"""PostgreSQL's SQLSTATE."""


def exists(path: Path) -> bool:
    """Say whether anything is at *path*. A closed folder is no answer, and not an empty one.

    The same questions of ``pathlib`` answer ``False`` for both from Python 3.14 on; what a site has
    would then be taken for lost.

    :raises OSError: The system cannot tell, for example because a folder on the way is closed.
    """
    return _mode(path) != 0


def is_file(path: Path) -> bool:
    """Say whether a file is at *path*; see :func:`exists`.

    :raises OSError: The system cannot tell.
    """
    return stat.S_ISREG(_mode(path))


def is_dir(path: Path) -> bool:
    """Say whether a folder is at *path*; see :func:`exists`.

    :raises OSError: The system cannot tell.
    """
    return stat.S_ISDIR(_mode(path))


def is_symlink(path: Path) -> bool:
    """Say whether a link is at *path*, wherever it leads; see :func:`exists`.

    :raises OSError: The system cannot tell.
    """
    return stat.S_ISLNK(_mode(path, follow=False))


def is_full(error: BaseException | None) -> bool:
    """Say whether *error*, or what it was made of, is that there is no room left."""
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            return True
        if getattr(cause, "sqlite_errorname", "") in _SQLITE_FULL:
            return True
        if getattr(cause, "sqlstate", "") == _DISK_FULL:
            return True
    return False


def has_room(folder: Path) -> bool:
    """Say whether anything can be written on the disk of *folder*; what cannot be asked has."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return True
    return found.f_bavail * found.f_frsize >= LEAST_FREE


def explain(error: OSError) -> str | None:
    """Return a sentence with the remedy for a failure of the machine; nothing for a mistake of ours."""
    remedy = REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror}. {remedy}, then run the command again."


def _mode(path: Path, *, follow: bool = True) -> int:
    """Return type and mode of what is at *path*, or 0 for nothing: no file's mode is 0."""
    try:
        return path.stat(follow_symlinks=follow).st_mode
    except OSError as error:
        if error.errno in ABSENT:
            return 0
        raise


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in found:
            found.append(one)
            waiting += [getattr(one, "orig", None), one.__cause__]
    return found
