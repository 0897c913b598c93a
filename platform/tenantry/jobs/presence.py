"""Which job workers of this machine live: each holds a file's lock as long as its process lives."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tenantry.files.disk import exists
from tenantry.files.locks import lock_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Presence:
    """A worker's name and mark, and a look at the marks of others.

    :param folder: Of the marks; made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        token = secrets.token_hex(4)
        self._folder = folder
        self.name = f"{socket.gethostname()[:60]}/{os.getpid()}/{token}"
        """Names this worker, and no other one."""
        self._mark = ExitStack()
        self._mark.enter_context(lock_file(folder / token, wait=0))

    def find_dead(self, names: Iterable[str]) -> list[str]:
        """Return those of the workers that are known to be dead: the kernel has let go of their mark.

        A worker of another machine has no mark here. Of that one nobody knows before its lease ends.
        """
        return [name for name in names if name != self.name and self._is_dead(name)]

    def close(self) -> None:
        """Remove the mark."""
        self._mark.close()

    def _is_dead(self, name: str) -> bool:
        path = self._folder / name.rpartition("/")[2]
        if not exists(path):
            return False
        try:
            with lock_file(path, wait=0):
                return True
        except BlockingIOError:
            return False
