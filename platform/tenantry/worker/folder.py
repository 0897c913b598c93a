"""The folder of the workers' sockets, opened by a descriptor because a path can be too long."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".sock"
MAX_BYTES = 8 * 1024 * 1024
"""Of one report; what is longer is not sent, and not read either."""


class Folder:
    """An open folder of sockets.

    :param descriptor: Of the folder. A socket's address has 107 bytes, a path may have more; the
        way through ``/proc`` is always short.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def address(self, name: str) -> str:
        """Return the address of the socket *name*."""
        return f"/proc/self/fd/{self.descriptor}/{name}"

    def sockets(self) -> dict[int, str]:
        """Return the names of the workers' sockets by process id."""
        found = {}
        for name in os.listdir(self.descriptor):  # noqa: PTH208 - of a descriptor
            pid = name.removesuffix(SUFFIX)
            if name.endswith(SUFFIX) and pid.isdecimal():
                found[int(pid)] = name
        return found

    def connect(self, name: str) -> socket.socket | None:
        """Return a connection that does not block, or nothing if nobody is there.

        The socket of a worker that has been killed is removed on the way.

        :raises BlockingIOError: A worker listens, and its queue is full.
        """
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.setblocking(False)
        before = self._inode(name)
        try:
            peer.connect(self.address(name))
        except OSError as error:
            peer.close()
            if error.errno == errno.EAGAIN:
                raise
            # Another number may be a matter of permissions; another inode is a new worker.
            if error.errno == errno.ECONNREFUSED and before and self._inode(name) == before:
                self.remove(name)
            return None
        return peer

    def remove(self, name: str) -> None:
        """Remove a socket; another process may have done so."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self.descriptor)

    def remove_dead(self) -> None:
        """Remove the sockets on which nobody listens."""
        for name in self.sockets().values():
            with suppress(BlockingIOError):
                peer = self.connect(name)
                if peer is not None:
                    peer.close()

    def _inode(self, name: str) -> int | None:
        try:
            found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return None
        return found.st_ino if stat.S_ISSOCK(found.st_mode) else None


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """Open the folder *path*, which is there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Folder(descriptor)
    finally:
        os.close(descriptor)
