"""The audit trail's anchor: a file with the newest event that this machine has seen.

The chain of hashes shows what was changed in the middle of the trail. It cannot show that the newest
events were removed and the head set back: what is left is a whole chain. The anchor can.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tenantry.catalog.values import AuditPoint
from tenantry.errors import AuditAnchorError
from tenantry.files.locks import lock_descriptor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINE = re.compile(rb"\A *(\d+) ([0-9a-f]{64})\n\Z")
_WIDTH = 86
"""Bytes of the file. It never grows, so that one write replaces all of it."""


class AuditAnchor:
    """A file of one line: the number and the hash of an event.

    It only goes forward, from event to event of one chain. What stands there must be found in the
    table for ever after.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> AuditPoint | None:
        """Return the newest event that was seen; ``None`` before the first one.

        :raises AuditAnchorError: The file is damaged.
        :raises OSError: It cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                lock_descriptor(file.fileno(), shared=True)
                return self._parse(file.read(_WIDTH + 1))
        except FileNotFoundError:
            return None

    def advance(self, before: AuditPoint | None, reached: AuditPoint) -> bool:
        """Put the anchor at *reached*, if it still is at *before*; say whether it was.

        :raises AuditAnchorError: The file is damaged.
        :raises OSError: It cannot be written.
        """
        with self._locked() as descriptor:
            if self._parse(os.pread(descriptor, _WIDTH + 1, 0)) != before:
                return False
            _write(descriptor, reached)
            if before is None:
                os.fsync(descriptor)
            return True

    def put(self, reached: AuditPoint) -> None:
        """Put the anchor at *reached*, wherever it is.

        :raises OSError: It cannot be written.
        """
        with self._locked() as descriptor:
            os.ftruncate(descriptor, _WIDTH)
            _write(descriptor, reached)
            os.fsync(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            lock_descriptor(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def _parse(self, text: bytes) -> AuditPoint | None:
        if not text:  # a process was killed between making the file and writing to it
            return None
        line = _LINE.match(text)
        if line is None:
            raise AuditAnchorError(str(self.path))
        return AuditPoint(int(line[1]), line[2].decode())


def _write(descriptor: int, reached: AuditPoint) -> None:
    os.pwrite(descriptor, b"%20d %s\n" % (reached.number, reached.hash.encode()), 0)
