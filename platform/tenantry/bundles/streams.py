"""Streams that count bytes, check checksums and enforce size limits."""

from __future__ import annotations

import hashlib
import io
import struct
from typing import TYPE_CHECKING

from tenantry.errors import BundleError

if TYPE_CHECKING:
    from typing import BinaryIO

_MAGIC = b"TNTRYSUM"
# A skippable frame of Zstandard: other programs that unpack the file pass over it.
_TRAILER = struct.Struct("<II8s32s")
_SKIPPABLE = 0x184D2A5E
BLOCK = 64 * 1024


def read_exactly(source: BinaryIO, size: int) -> bytes:
    """Read *size* bytes, or fewer only where the stream ends."""
    parts = []
    while size and (part := source.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Summing(io.RawIOBase):
    """Hands on what is written to it; :meth:`close` adds the trailer with the SHA-256 of all."""

    def __init__(self, target: BinaryIO | io.RawIOBase) -> None:
        self._target = target
        self._sum = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._sum.update(data)
        self._target.write(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            size = _TRAILER.size - 8
            trailer = _TRAILER.pack(_SKIPPABLE, size, _MAGIC, self._sum.digest())
            self._target.write(trailer)
        super().close()


class Checking(io.RawIOBase):
    """Hands out all of *source* but the trailer; :meth:`check` reads to the end and compares.

    :param name: What errors call the file.
    """

    def __init__(self, source: BinaryIO, *, name: str) -> None:
        self._source = source
        self._name = name
        self._sum = hashlib.sha256()
        self._kept = read_exactly(source, _TRAILER.size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        # What came in is handed out when as much again has come: the last bytes may be the trailer.
        self._kept += self._source.read(len(buffer))
        ready = min(len(self._kept) - _TRAILER.size, len(buffer))
        if ready <= 0:
            return 0
        part, self._kept = self._kept[:ready], self._kept[ready:]
        self._sum.update(part)
        buffer[:ready] = part
        return ready

    def check(self) -> None:
        """Make sure that not one byte is another one.

        :raises BundleError: It is damaged, cut off, or no bundle.
        """
        while self.read(BLOCK):
            pass
        expected = _TRAILER.pack(_SKIPPABLE, _TRAILER.size - 8, _MAGIC, self._sum.digest())
        if self._kept != expected:
            raise BundleError(self._name, "it is damaged or truncated")


class Limited(io.RawIOBase):
    """Refuses to hand out more than :attr:`allowed` bytes: what unpacks to more is a trap.

    :param name: What errors call the file.
    """

    def __init__(self, source: BinaryIO | io.RawIOBase, allowed: int, *, name: str) -> None:
        self._source = source
        self._name = name
        self.allowed = allowed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = self._source.read(min(len(buffer), BLOCK)) or b""
        self.allowed -= len(part)
        if self.allowed < 0:
            raise BundleError(self._name, "it unpacks to more than it claims")
        buffer[: len(part)] = part
        return len(part)
