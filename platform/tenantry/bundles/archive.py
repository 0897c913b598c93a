"""The archive of a bundle: a tar of the manifest and its members, Zstandard, optional encryption."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import zstandard

from tenantry.bundles.manifest import MAX_BYTES, read_manifest
from tenantry.bundles.sealing import COST, MAGIC, Sealer, Unsealer, is_sealed
from tenantry.bundles.streams import BLOCK, Checking, Limited, Summing
from tenantry.errors import BundleError
from tenantry.files.atomic import draft
from tenantry.files.disk import exists

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO, BinaryIO

    from tenantry.bundles.manifest import Manifest, Member

MANIFEST = "manifest.json"
_LEVEL = 3
_WINDOW = 2**27
"""Bytes that unpacking may keep in memory; what needs more is refused."""
PLAIN_BYTES = 64 * 1024 * 1024
MOST_RATIO = 1000
"""How many times its size a file may unpack to, where that is more than the bytes above. Zstandard
packs zeros to a thirty-thousandth, and what people write to a twentieth."""
_HEADERS = 4096
"""Bytes that tar may spend on a member's headers and padding, names included."""


def write_bundle(
    path: Path,
    manifest: Manifest,
    parts: Path,
    *,
    passphrase: bytes | None = None,
    cost: int = COST,
) -> int:
    """Write a bundle, which appears under its name when it is whole; return its size.

    :param parts: The folder with the members, under their names.
    :raises BundleError: The file is there already, or cannot be written.
    """
    if exists(path):
        raise BundleError(str(path), "the file exists already; nothing was written")
    try:
        with draft(path) as file:
            _write(file, manifest, parts, passphrase=passphrase, cost=cost)
            return file.tell()
    except OSError as error:
        raise BundleError(str(path), f"it cannot be written ({error.strerror})") from error


def _write(
    file: IO[bytes], manifest: Manifest, parts: Path, *, passphrase: bytes | None, cost: int
) -> None:
    with ExitStack() as stack:
        target: Any = file
        if passphrase is not None:
            target = stack.enter_context(Sealer(target, passphrase, cost=cost))
        target = stack.enter_context(Summing(target))
        packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        packed = stack.enter_context(packer.stream_writer(target, closefd=False))
        archive = stack.enter_context(
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT)
        )
        text = manifest.to_json()
        if len(text) > MAX_BYTES:
            raise BundleError(manifest.tenant.slug, "it has too many files for a bundle")
        archive.addfile(_header(MANIFEST, len(text)), io.BytesIO(text))
        for member in manifest.members:
            with (parts / member.name).open("rb") as content:
                archive.addfile(_header(member.name, member.size), content)


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o600
    return header


class Bundle:
    """A bundle that is being read from its beginning to its end.

    Everything that comes out is what the manifest says of it, or the reading ends with an error.
    """

    def __init__(
        self,
        name: str,
        archive: tarfile.TarFile,
        limit: Limited,
        tail: Checking,
        *,
        packed: int,
    ) -> None:
        self._name = name
        self._archive = archive
        self._limit = limit
        self._tail = tail
        self.manifest = self._read_manifest()
        if self.manifest.size > max(PLAIN_BYTES, MOST_RATIO * packed):
            said = f"it claims that its {packed} bytes unpack to {self.manifest.size}"
            raise BundleError(name, f"{said}; no real site compresses that well")
        limit.allowed += self.manifest.size + _HEADERS * (len(self.manifest.members) + 3)

    def members(self) -> Iterator[tuple[Member, BinaryIO]]:
        """Yield each member with its content, in the manifest's order; then check the whole.

        What the caller leaves unread of a member is read and checked all the same.
        """
        for member in self.manifest.members:
            header = self._next(member.name, member.size)
            content = self._archive.extractfile(header)
            assert content is not None  # it is a plain file
            summing = _Content(content)
            reader = io.BufferedReader(summing, BLOCK)
            yield member, reader
            while reader.read(BLOCK):
                pass
            if summing.sum.hexdigest() != member.sha256:
                raise BundleError(self._name, f"its member {member.name!r} is damaged")
        if self._archive.next() is not None:
            raise BundleError(self._name, "it has more members than its manifest names")
        self._tail.check()

    def _read_manifest(self) -> Manifest:
        header = self._next(MANIFEST, None)
        if header.size > MAX_BYTES:
            raise BundleError(self._name, "its manifest is too long")
        content = self._archive.extractfile(header)
        assert content is not None
        try:
            return read_manifest(content.read())
        except ValueError as error:
            raise BundleError(self._name, str(error)) from error

    def _next(self, name: str, size: int | None) -> tarfile.TarInfo:
        header = self._archive.next()
        if header is None:
            raise BundleError(self._name, f"it ends before its member {name!r}")
        plain = header.type == tarfile.REGTYPE and not header.sparse
        if header.name != name or not plain or size not in (None, header.size):
            problem = f"it has {header.name[:80]!r} instead of {name!r}"
            raise BundleError(self._name, problem)
        return header


class _Content(io.RawIOBase):
    """A member that is summed up while it is read."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.sum = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = self._source.read(len(buffer))
        self.sum.update(part)
        buffer[: len(part)] = part
        return len(part)


@contextmanager
def open_bundle(path: Path, *, passphrase: bytes | None = None) -> Iterator[Bundle]:
    """Open a bundle for reading.

    :raises BundleError: It is damaged, is no bundle, or needs another passphrase.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            tail = Checking(_plain(file, name, passphrase), name=name)
            unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
            unpacked = unpacker.stream_reader(io.BufferedReader(tail, BLOCK), closefd=False)
            limit = Limited(unpacked, MAX_BYTES + _HEADERS, name=name)
            with tarfile.open(fileobj=limit, mode="r|", bufsize=BLOCK) as archive:
                packed = os.fstat(file.fileno()).st_size
                yield Bundle(name, archive, limit, tail, packed=packed)
    except (zstandard.ZstdError, tarfile.TarError, EOFError) as error:
        raise BundleError(name, "it is damaged, truncated or not a bundle") from error
    except OSError as error:
        if error.filename is None:
            raise
        raise BundleError(name, f"it cannot be read ({error.strerror})") from error


def needs_passphrase(path: Path) -> bool:
    """Say whether the file is encrypted.

    :raises BundleError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return is_sealed(file.read(len(MAGIC)))
    except OSError as error:
        raise BundleError(str(path), f"it cannot be read ({error.strerror})") from error


def check_bundle(path: Path, *, passphrase: bytes | None = None) -> Manifest:
    """Read all of a bundle, and return what it says of itself.

    :raises BundleError: Something is not as it must be.
    """
    with open_bundle(path, passphrase=passphrase) as bundle:
        for _ in bundle.members():
            pass
        return bundle.manifest


def _plain(file: BinaryIO, name: str, passphrase: bytes | None) -> Any:
    sealed = is_sealed(file.read(len(MAGIC)))
    file.seek(0)
    if not sealed:
        return file
    if passphrase is None:
        raise BundleError(name, "it is encrypted; give its passphrase")
    return Unsealer(file, passphrase, name=name)
