"""Checks the machine: file modes, descriptors, the listen queue, the disk."""

from __future__ import annotations

import os
import re
import resource
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.doctor.findings import Finding, fine, unsafe, warning
from tenantry.files.disk import exists, is_dir
from tenantry.settings import PREFIX
from tenantry.worker.server import LISTEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.settings import Settings

MIB = 1024 * 1024
PER_CONNECTION = 3
"""Descriptors of a SQLite connection: the file, its log, its shared memory."""
PER_THREAD = 4
"""A request: the visitor's socket, an upload, a file that is sent, one to spare."""
OTHERS = 64
"""The catalog, logs, sockets, and what libraries open."""
MIN_FREE_MB = 100
LOW_FREE_MB = 1024
DEFAULT_LISTEN = 100
"""uWSGI's own, where uwsgi.ini names none."""

REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "vboxsf", "fuse.sshfs", "afs"})
"""File systems on which SQLite's write-ahead log cannot work: it needs shared memory and locks."""
FLEETING = frozenset({"tmpfs", "ramfs"})

_LISTEN = re.compile(r"^\s*listen\s*=\s*(\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Machine:
    """The figures of one machine, as this user has them."""

    descriptors: int
    """That a process may open (``ulimit -n``)."""

    somaxconn: int | None
    """Longest queue of connections that the kernel allows; ``None`` where it does not tell."""

    memory_mb: float
    free_mb: float
    """Free space where the data folder is."""

    file_system: str
    user: int


def measure(folder: Path) -> Machine:
    """Ask the system.

    :param folder: The data folder; it need not be there yet.
    """
    there = next(path for path in (folder, *folder.parents) if exists(path))
    try:
        somaxconn: int | None = int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        somaxconn = None
    return Machine(
        descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        somaxconn=somaxconn,
        memory_mb=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / MIB,
        free_mb=shutil.disk_usage(there).free / MIB,
        file_system=find_file_system(there.resolve(), Path("/proc/self/mounts").read_text()),
        user=os.geteuid(),
    )


def find_file_system(path: Path, mounts: str) -> str:
    """Return the kind of file system that *path* is on.

    :param mounts: The text of ``/proc/self/mounts``.
    """
    found, kind = Path(), ""
    for line in mounts.splitlines():
        _, place, mounted, *_ = line.split()
        point = Path(place.encode().decode("unicode_escape"))  # a space is written \040
        if path.is_relative_to(point) and len(point.parts) >= len(found.parts):
            found, kind = point, mounted
    return kind


def examine_machine(
    settings: Settings, machine: Machine | None = None, *, ini: Path | None = None
) -> list[Finding]:
    """Look at files, limits and the disk.

    :param machine: Its figures; by default this machine's.
    :param ini: The ``uwsgi.ini`` that the server starts with.
    """
    machine = machine or measure(settings.data_dir)
    return [
        *check_files(settings, machine),
        *check_descriptors(settings, machine),
        *check_listen_queue(ini, machine),
        *check_memory(settings, machine),
        *check_disk(settings, machine),
    ]


def check_files(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Say who can open the data folder and what is in it."""
    if not is_dir(settings.data_dir):
        yield warning(
            "files",
            f"{settings.data_dir} (folder)",
            "The data folder does not exist yet.",
            "Run `tenantry init`.",
        )
        return
    found = [
        finding
        for path in _private(settings)
        if exists(path)
        for finding in _check_file(path, machine.user)
    ]
    yield from found
    if not found:
        yield fine("files", f"{settings.data_dir} (folder)", "No other user can open its content.")


def _private(settings: Settings) -> Iterator[Path]:
    yield from (settings.data_dir, settings.secret_keys_file, settings.run_dir)
    yield from (settings.data_dir / "tenants", *sorted((settings.data_dir / "tenants").glob("t_*")))
    for url in (settings.catalog_url,):
        if url.startswith("sqlite:///"):
            catalog = url.removeprefix("sqlite:///").partition("?")[0]
            yield from (Path(f"{catalog}{suffix}") for suffix in ("", "-wal", "-shm"))
    yield Path(".env")


def _check_file(path: Path, user: int) -> Iterator[Finding]:
    try:
        status = path.stat()
        text = path.read_text(errors="replace") if path.name == ".env" else ""
    except OSError as error:
        yield unsafe("files", f"{path} (file)", f"It cannot be checked: {error.strerror}.")
        return
    if path.name == ".env" and not re.search(
        rf"^\s*{PREFIX}(SECRET|CATALOG|DATABASES)", text, re.MULTILINE
    ):
        return  # nothing in it is secret
    mode, folder = stat.S_IMODE(status.st_mode), stat.S_ISDIR(status.st_mode)
    subject, wanted = f"{path} ({mode:04o})", "0700" if folder else "0600"
    if status.st_uid not in {user, 0} and user != 0:
        yield unsafe(
            "files",
            subject,
            f"It belongs to user {status.st_uid}, not to the user of this command, {user}.",
            f"Run the server and `tenantry` as one user, or `chown {user} {path}`.",
        )
    if mode & 0o007:
        yield unsafe(
            "files",
            subject,
            "Every user of this machine can open it.",
            f"chmod {wanted} {path}",
        )
    elif mode & 0o020 or (mode & 0o040 and not folder):
        yield warning(
            "files",
            subject,
            f"Its group can {'change' if mode & 0o020 else 'read'} it.",
            f"chmod {wanted} {path}",
        )


def check_descriptors(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Say whether a worker may open as much as the settings let it."""
    needed = settings.pool_connections * PER_CONNECTION + settings.threads * PER_THREAD + OTHERS
    subject = "ulimit -n (limit)"
    if settings.pool_descriptors > machine.descriptors:
        yield unsafe(
            "descriptors",
            f"{PREFIX}POOL_DESCRIPTORS (setting)",
            f"{settings.pool_descriptors} is more than the {machine.descriptors} that a process "
            "may open.",
            "Lower it, or raise `ulimit -n` where the server starts (systemd: LimitNOFILE).",
        )
    if needed > machine.descriptors:
        yield unsafe(
            "descriptors",
            subject,
            f"A process may open {machine.descriptors} files; with {settings.pool_connections} "
            f"connections and {settings.threads} threads a worker needs {needed}.",
            "Raise it where the server starts (systemd: LimitNOFILE), or lower "
            f"{PREFIX}POOL_CONNECTIONS.",
        )
    else:
        sentence = f"A process may open {machine.descriptors} files; a worker needs {needed}."
        yield fine("descriptors", subject, sentence)


def check_listen_queue(ini: Path | None, machine: Machine) -> Iterator[Finding]:
    """Say whether the kernel allows the queue that uwsgi.ini asks for."""
    if ini is None or machine.somaxconn is None:
        return
    lines = _LISTEN.findall(ini.read_text(errors="replace"))
    wanted = int(lines[-1]) if lines else DEFAULT_LISTEN
    subject = "net.core.somaxconn (limit)"
    if wanted > machine.somaxconn:
        shortened = machine.somaxconn < LISTEN
        state = warning if shortened else unsafe
        yield state(
            "listen queue",
            subject,
            f"{ini} asks for a queue of {wanted} connections, and the kernel allows "
            f"{machine.somaxconn}: "
            + ("`tenantry serve` shortens it." if shortened else "uWSGI will not start."),
            f"sysctl -w net.core.somaxconn={wanted}, or lower `listen`.",
        )
    else:
        sentence = (
            f"The kernel allows {machine.somaxconn} waiting connections; {wanted} are requested."
        )
        yield fine("listen queue", subject, sentence)


def check_memory(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Say whether all workers fit."""
    wanted = settings.processes * settings.pool_memory_mb
    if wanted > machine.memory_mb:
        yield warning(
            "memory",
            f"{PREFIX}POOL_MEMORY_MB (setting)",
            f"{settings.processes} workers of {settings.pool_memory_mb} MiB do not fit into the "
            f"{machine.memory_mb:.0f} MiB of this machine.",
            f"Lower it, or {PREFIX}PROCESSES.",
        )


def check_disk(settings: Settings, machine: Machine) -> Iterator[Finding]:
    """Say whether the data folder is on a disk that will do."""
    subject = f"{settings.data_dir} (disk)"
    if machine.file_system in REMOTE:
        yield unsafe(
            "disk",
            subject,
            f"It is on {machine.file_system}. SQLite's log needs locks and shared memory, which "
            "file systems of other machines do not give; databases get damaged.",
            f"Put {PREFIX}DATA_DIR on a disk of this machine.",
        )
    if machine.file_system in FLEETING:
        yield warning(
            "disk",
            subject,
            f"It is on {machine.file_system}, and is lost at a restart of the machine.",
            f"Put {PREFIX}DATA_DIR on a disk.",
        )
    if machine.free_mb < LOW_FREE_MB:
        state = unsafe if machine.free_mb < MIN_FREE_MB else warning
        yield state(
            "disk",
            subject,
            f"{machine.free_mb:.0f} MiB are free.",
            "Make room, or move the folder.",
        )
    elif machine.file_system not in REMOTE | FLEETING:
        sentence = f"{machine.free_mb / 1024:.0f} GiB are free, on {machine.file_system}."
        yield fine("disk", subject, sentence)
