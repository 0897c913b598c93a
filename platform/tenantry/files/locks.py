"""Tenant locks: one operation at a time on a tenant, over all processes of the machine.

A lock belongs to an open file, so threads exclude each other as processes do. Nothing else in this
code calls ``fcntl``.

- :func:`tenant_lock`: one operation at a time on a tenant.
- :func:`lock_file`: one command at a time, under a name. The file says nothing and is gone when nobody
  holds it.
- :func:`lock_folder`: one process at a time in a folder.
- :func:`lock_descriptor`, :func:`lock_number`: a file that is open anyway, or one number of many.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenantry.errors import TenantLockedError, UnfinishedError
from tenantry.files.disk import exists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.values.tenant import Tenant

WAIT_SECONDS = 2.0
"""How long a command waits for another one that may be at its end."""
_PAUSE = 0.02
_LENGTH = 120
"""Bytes of a note. Those who share a lock write theirs over one another's."""

_held: ContextVar[frozenset[str]] = ContextVar("tenantry_held", default=frozenset())
"""Ids of tenants that the code which runs here has locked for itself alone."""


@contextmanager
def tenant_lock(
    tenant: Tenant,
    doing: str,
    *,
    data_dir: Path,
    shared: bool = False,
    wait: float = WAIT_SECONDS,
) -> Iterator[None]:
    """Keep other operations from the tenant meanwhile. What a holder does itself may lock it again.

    :param doing: What is done to the tenant, for those who are kept away: it is being *restored*.
    :param shared: Only those that exchange or destroy something are kept away, not each other.
    :param wait: Seconds to wait for another operation.
    :raises TenantLockedError: Another operation is at work on it.
    """
    if tenant.id in _held.get():
        yield
        return
    path = data_dir / "locks" / f"t_{tenant.id}"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = _acquire(path, shared=shared, wait=wait)
    except BlockingIOError as error:
        note = _read(path)
        known = (note.get("doing", "worked on"), note.get("pid", 0), note.get("since", ""))
        raise TenantLockedError(tenant.slug, *known) from error
    token = _held.set(_held.get() if shared else _held.get() | {tenant.id})
    try:
        _write(descriptor, doing)
        yield
    finally:
        _held.reset(token)
        _release(path, descriptor)


def restore_journal(tenant: Tenant, files_home: Path) -> Path:
    """Return the file that says what a restore will do, from its decision until its end."""
    return files_home / "restores" / f"t_{tenant.id}" / "journal.json"


def check_finished(tenant: Tenant, files_home: Path) -> None:
    """Refuse a tenant whose data is half another one's.

    :raises UnfinishedError: A restore of it was interrupted.
    """
    if exists(restore_journal(tenant, files_home)):
        raise UnfinishedError(tenant.slug, "restore")


@contextmanager
def lock_file(
    path: Path, *, shared: bool = False, wait: float | None = WAIT_SECONDS
) -> Iterator[int]:
    """Lock the file *path*, which is made in a folder that is there; the last holder removes it.

    Yield its descriptor.

    :param shared: Let those in who want it shared as well.
    :param wait: Seconds; ``None`` waits until the lock is free.
    :raises BlockingIOError: Another process or thread has it, still.
    """
    descriptor = _acquire(path, shared=shared, wait=wait)
    try:
        yield descriptor
    finally:
        _release(path, descriptor)


@contextmanager
def lock_folder(folder: Path, *, wait: float | None = None) -> Iterator[None]:
    """Lock a folder that is there.

    :param wait: Seconds; ``None`` waits until the lock is free.
    :raises BlockingIOError: Another process or thread has it, still.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        lock_descriptor(descriptor, wait=wait)
        yield
    finally:
        os.close(descriptor)


def lock_descriptor(descriptor: int, *, shared: bool = False, wait: float | None = None) -> None:
    """Lock the open file of a descriptor until that is closed.

    :param wait: Seconds; ``None`` waits until the lock is free.
    :raises BlockingIOError: Another process or thread has it, still.
    """
    wanted = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if wait is None:
        fcntl.flock(descriptor, wanted)
        return None
    deadline = time.monotonic() + wait
    while True:
        try:
            return fcntl.flock(descriptor, wanted | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)


def lock_number(descriptor: int, number: int) -> None:
    """Lock one of 2**56 numbers, by the byte of an open file that need not be there.

    :raises BlockingIOError: Another process or thread has it.
    """
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)


def _acquire(path: Path, *, shared: bool, wait: float | None) -> int:
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            lock_descriptor(descriptor, shared=shared, wait=wait)
            if _is_at(descriptor, path):  # else its holder has just removed it, or given it a name
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _release(path: Path, descriptor: int) -> None:
    try:
        with suppress(BlockingIOError):  # others share it
            lock_descriptor(descriptor, wait=0)
            if _is_at(descriptor, path):
                path.unlink()
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _write(descriptor: int, doing: str) -> None:
    since = datetime.now(UTC).strftime("%H:%M:%S")
    note = json.dumps({"doing": doing, "pid": os.getpid(), "since": since})
    os.pwrite(descriptor, note.ljust(_LENGTH).encode(), 0)


def _read(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}
