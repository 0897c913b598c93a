"""The node's change counter: a memory-mapped number that every worker compares per request.

The number is the newest epoch that a writer on this node has committed. Reading it costs tens of
nanoseconds and no system call, so an unchanged world is almost free. It only wakes: a worker that sees
another number than its own asks the catalog what changed, and background polling finds what a writer
that died between its commit and its note left unsaid.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = 8


class ChangeSignal:
    """The counter in the file *path*, which is made if it is missing.

    Aligned 64-bit loads and stores do not tear on the machines CPython runs on. Writers need no lock
    among themselves: every number is announced after its commit, so whichever is written last, a
    worker that sees a number other than the one it saw before finds all of them in the catalog.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # A hole would tell a full disk to the writer as a deadly signal; this is an error of now.
            os.posix_fallocate(descriptor, 0, _SIZE)
            self._map = mmap.mmap(descriptor, _SIZE)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            os.close(descriptor)  # the map has one of its own
        self.cell = memoryview(self._map).cast("Q")
        """``cell[0]`` is the number."""

    def announce(self, epoch: int) -> None:
        """Show *epoch*, which has been committed, to every worker of this node."""
        self.cell[0] = epoch

    def close(self) -> None:
        """Unmap the file; doing it again changes nothing."""
        self.cell.release()
        self._map.close()
