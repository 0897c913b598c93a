"""Encryption with a passphrase: scrypt makes the key, AES-256-GCM seals the stream chunk by chunk.

Each chunk's nonce holds its number and whether it is the last one, and each chunk authenticates the
header. So chunks that are changed, missing, swapped or cut off are found, and nothing is handed on
that has not been checked.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from tenantry.bundles.streams import read_exactly
from tenantry.errors import BundleError

if TYPE_CHECKING:
    from typing import BinaryIO

MAGIC = b"TENANTRY-SEALED\x01"
CHUNK = 64 * 1024
TAG = 16
COST = 17
"""Binary logarithm of scrypt's N: 128 MiB and some tenths of a second."""
MAX_COST = 18
_HEADER = struct.Struct(f">{len(MAGIC)}sB16s7s")
_MAX_CHUNKS = 2**32


class Sealer(io.RawIOBase):
    """Encrypts what is written to it into *target*; :meth:`close` writes the last chunk.

    :param cost: Binary logarithm of scrypt's N.
    """

    def __init__(self, target: BinaryIO, passphrase: bytes, *, cost: int = COST) -> None:
        self._target = target
        salt, self._prefix = os.urandom(16), os.urandom(7)
        self._header = _HEADER.pack(MAGIC, cost, salt, self._prefix)
        self._cipher = AESGCM(_key(passphrase, salt, cost))
        self._waiting = bytearray()
        self._number = 0
        target.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._waiting += data
        while len(self._waiting) > CHUNK:  # the last chunk is known only when the end is
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._seal(bytes(self._waiting), last=True)
        super().close()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        nonce = _nonce(self._prefix, self._number, last=last)
        self._target.write(self._cipher.encrypt(nonce, chunk, self._header))
        self._number += 1


class Unsealer(io.RawIOBase):
    """Decrypts *source* while it is read.

    :param name: What errors call the file.
    :raises BundleError: The passphrase is wrong, or the file is damaged.
    """

    def __init__(self, source: BinaryIO, passphrase: bytes, *, name: str) -> None:
        self._source = source
        self._name = name
        self._header = read_exactly(source, _HEADER.size)
        if len(self._header) < _HEADER.size:
            raise BundleError(name, "it is truncated")
        _, cost, salt, self._prefix = _HEADER.unpack(self._header)
        if not 1 <= cost <= MAX_COST:
            raise BundleError(name, "it is damaged")
        self._cipher = AESGCM(_key(passphrase, salt, cost))
        self._ahead = read_exactly(source, CHUNK + TAG)
        self._number = 0
        self._plain = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._plain and not self._ended:
            self._plain = self._open()
        part = self._plain[: len(buffer)]
        buffer[: len(part)] = part
        self._plain = self._plain[len(part) :]
        return len(part)

    def _open(self) -> bytes:
        sealed, self._ahead = self._ahead, read_exactly(self._source, CHUNK + TAG)
        last = self._ended = not self._ahead
        if self._number >= _MAX_CHUNKS:
            raise BundleError(self._name, "it is damaged")
        nonce = _nonce(self._prefix, self._number, last=last)
        try:
            plain = self._cipher.decrypt(nonce, sealed, self._header)
        except InvalidTag as error:
            problem = "it is damaged or truncated"
            if not self._number:
                problem = "the passphrase is wrong, or it is damaged"
            raise BundleError(self._name, problem) from error
        self._number += 1
        return plain


def is_sealed(start: bytes) -> bool:
    """Say whether a file that starts like this is encrypted."""
    return start.startswith(MAGIC)


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + struct.pack(">I?", number, last)


def _key(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**cost, r=8, p=1).derive(passphrase)
