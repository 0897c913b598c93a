"""Memory that processes share through a mapped file.

Whatever is wrong with the file, the caller gets memory: a limit that each worker keeps for itself is
better than a platform that does not start.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
import stat
from pathlib import Path

from tenantry.files.atomic import draft
from tenantry.files.locks import lock_folder

log = logging.getLogger(__name__)

HEADER_SIZE = 64
"""Bytes at the start that say what the file is: a mark of ours, this boot, and the secret."""

SECRET_SIZE = 16
_MARK = b"TNTRATE1"
_BOOT_SIZE = HEADER_SIZE - len(_MARK) - SECRET_SIZE
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")


def map_shared(path: Path, size: int) -> tuple[mmap.mmap, bool]:
    """Return *size* bytes after a header, and whether other processes have the same ones.

    A file of another size, of another kind or from before the last boot is replaced, never cut or
    overwritten: touching cut pages would kill the processes that still have it mapped.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with lock_folder(path.parent):  # so that all workers end up with one file
            return _open(path, HEADER_SIZE + size) or _make(path, HEADER_SIZE + size), True
    except OSError as error:
        log.warning(
            "each worker counts rate limits for itself, because %s cannot be shared (%s); "
            "let the server's user write there",
            path,
            error.strerror or error,
        )
        return map_private(size), False


def map_private(size: int) -> mmap.mmap:
    """Return *size* bytes after a header, for this process and those it forks."""
    memory = mmap.mmap(-1, HEADER_SIZE + size)
    memory[:HEADER_SIZE] = _header()
    return memory


def secret_of(memory: mmap.mmap) -> bytes:
    """Return the random bytes that everyone who has this memory shares."""
    return memory[HEADER_SIZE - SECRET_SIZE : HEADER_SIZE]


def _open(path: Path, size: int) -> mmap.mmap | None:
    """Map the file that is there, if it is a good one."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size:
            return None
        memory = mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
    if memory[: HEADER_SIZE - SECRET_SIZE] == _MARK + _boot():
        return memory
    memory.close()
    return None


def _make(path: Path, size: int) -> mmap.mmap:
    """Put a new file there, over any other."""
    with draft(path, lasting=False) as file:
        # With holes in it, a full disk would kill the process that writes there with a signal.
        os.posix_fallocate(file.fileno(), 0, size)
        os.pwrite(file.fileno(), _header(), 0)
        return mmap.mmap(file.fileno(), size)


def _header() -> bytes:
    return _MARK + _boot() + secrets.token_bytes(SECRET_SIZE)


def _boot() -> bytes:
    """Return what tells this boot from the last one, whose clock has nothing to say now."""
    try:
        boot = _BOOT_FILE.read_bytes().strip()
    except OSError:
        boot = b""
    return boot[:_BOOT_SIZE].ljust(_BOOT_SIZE, b"\0")
