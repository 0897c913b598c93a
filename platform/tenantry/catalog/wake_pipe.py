"""Wakes the job workers of this machine: a named pipe that each of them reads.

A write wakes every worker that waits in ``poll``. It is only a hint: a worker also looks at the queue
every few seconds, so a writer that may not open the pipe, or dies before it writes, loses nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class WakePipe:
    """The named pipe *path*, which the first reader makes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wake(self) -> None:
        """Wake the workers that wait; without any, nothing happens."""
        with suppress(OSError):  # no pipe, no reader, or one that is full and therefore awake
            descriptor = self._open_writer()
            try:
                os.write(descriptor, b"\0")
            finally:
                os.close(descriptor)

    def has_reader(self) -> bool:
        """Return whether a worker runs on this machine."""
        try:
            os.close(self._open_writer())
        except OSError:
            return False
        return True

    def open_reader(self) -> int:
        """Return a descriptor that becomes readable when a job was added; it does not block."""
        with suppress(FileExistsError):
            os.mkfifo(self._path, 0o600)
        # Also for writing: a pipe without a writer would be readable for ever.
        return os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def _open_writer(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
