"""One operation at a time on a tenant, whichever commands of this machine they come from.

A lock is a file of the data folder that the system holds for a process: however that ends, the lock is
free at once. It says who holds it, and is gone when nobody does.
"""

from __future__ import annotations

import fcntl
import json
import os
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

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

WAIT_SECONDS = 2.0
"""How long a command waits for another one that may be at its end."""
_PAUSE = 0.02
_LENGTH = 120
"""Octets of a note. Those who share a lock write theirs over one another's."""

_held: ContextVar[frozenset[str]] = ContextVar("tenantry_held", default=frozenset())
"""Ids of tenants that whoever runs here holds, and no one else."""


@contextmanager
def tenant_lock(
    tenant: Tenant,
    doing: str,
    *,
    settings: Settings,
    shared: bool = False,
    wait: float = WAIT_SECONDS,
) -> Iterator[None]:
    """Keep other operations from the tenant meanwhile. What a holder does itself may hold it again.

    :param doing: What is done to the tenant, for those who are kept away: it is being *restored*.
    :param shared: Only those that exchange or destroy something are kept away, not each other.
    :param wait: Seconds to wait for another operation.
    :raises TenantLockedError: Another operation is at work on it.
    """
    if tenant.id in _held.get():
        yield
        return
    path = settings.data_dir / "locks" / f"t_{tenant.id}"
    try:
        descriptor = lock(path, shared=shared, wait=wait)
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
        unlock(path, descriptor)


def restore_journal(tenant: Tenant, settings: Settings) -> Path:
    """Return the file that says what a restore will do, from its decision until its end."""
    return settings.data_dir / "restores" / f"t_{tenant.id}" / "journal.json"


def check_finished(tenant: Tenant, settings: Settings) -> None:
    """Refuse a tenant whose data is half another one's.

    :raises UnfinishedError: A restore of it was interrupted.
    """
    if exists(restore_journal(tenant, settings)):
        raise UnfinishedError(tenant.slug, "restore")


def lock(path: Path, *, shared: bool = False, wait: float = WAIT_SECONDS) -> int:
    """Lock the file *path*, which is made; return the descriptor for :func:`unlock`.

    :raises BlockingIOError: Somebody else has it, still.
    """
    wanted = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + wait
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, wanted | fcntl.LOCK_NB)
            if _is_at(descriptor, path):  # else its holder has just removed it
                return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise
            time.sleep(_PAUSE)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def share(descriptor: int) -> None:
    """Let others have the lock, too, who share it.

    :raises BlockingIOError: Another process was faster and has it alone; *descriptor* is closed.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise


def unlock(path: Path, descriptor: int) -> None:
    """Let go of a file; the last one removes it."""
    try:
        with suppress(BlockingIOError):  # others share it
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
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
