"""Reads pictures that operators send: PNG files, of which only the picture itself is kept (R46)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.errors import BadImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
"""What a browser needs to draw it. Texts, times, places and profiles of colours are left out."""
MAX_BYTES = 64 * 1024
MAX_SIDE = 1024
"""Pixels. Few bytes can claim to be a huge picture, which costs each visitor its memory."""

_HEAD = 8  # bytes of a chunk before its content: length and kind
_IHDR = 13
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


@dataclass(frozen=True, slots=True)
class Size:
    """Of a picture, in pixels."""

    width: int
    height: int


def read_size(content: bytes) -> Size:
    """Return the size of a picture that :func:`clean_png` has returned."""
    return Size(int.from_bytes(content[16:20]), int.from_bytes(content[20:24]))


def clean_png(content: bytes) -> bytes:
    """Return the picture with nothing but its pixels.

    :raises BadImageError: It is no PNG, is damaged, or is too large.
    """
    if len(content) > MAX_BYTES:
        raise BadImageError(f"it has more than {MAX_BYTES // 1024} KiB")
    if not content.startswith(SIGNATURE):
        raise BadImageError("it is no PNG file")
    chunks = [(kind, data) for kind, data in _split(content) if kind in KEPT]
    kinds = [kind for kind, _ in chunks]
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"] or kinds.count(b"IHDR") != 1:
        raise BadImageError("it is damaged")
    length = _find_length(chunks[0][1], has_palette=b"PLTE" in kinds)
    packed = b"".join(data for kind, data in chunks if kind == b"IDAT")
    unpacker = zlib.decompressobj()
    try:
        pixels = unpacker.decompress(packed, length + 1)
    except zlib.error as error:
        raise BadImageError("it is damaged") from error
    if len(pixels) != length or not unpacker.eof:
        raise BadImageError("it is damaged")
    return SIGNATURE + b"".join(_join(kind, data) for kind, data in chunks)


def _find_length(header: bytes, *, has_palette: bool) -> int:
    """Return how many bytes the pixels have.

    :raises BadImageError: The header is wrong, or the picture is too large.
    """
    if len(header) != _IHDR:
        raise BadImageError("it is damaged")
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    depth, colour, compression, filtering, interlaced = header[8:]
    if depth not in _DEPTHS.get(colour, ()) or (colour == 3 and not has_palette):  # noqa: PLR2004
        raise BadImageError("it is damaged")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise BadImageError(f"a side has more than {MAX_SIDE} pixels, or none")
    if compression or filtering or interlaced:
        raise BadImageError("it is interlaced; save it without")
    return height * (1 + -(-width * depth * _CHANNELS[colour] // 8))


def _split(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return each chunk's kind and content, until the last one.

    :raises BadImageError: One is cut off, or is not what its check sum says.
    """
    place = len(SIGNATURE)
    while True:
        begin = place + _HEAD
        kind, end = content[place + 4 : begin], begin + int.from_bytes(content[place : place + 4])
        data, place = content[begin:end], end + 4
        if place > len(content) or int.from_bytes(content[end:place]) != zlib.crc32(kind + data):
            raise BadImageError("it is damaged")
        yield kind, data
        if kind == b"IEND":
            return


def _join(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
