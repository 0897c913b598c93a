"""Makes small pictures for tests."""

from __future__ import annotations

import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(
    width: int = 4, height: int = 2, *, between: bytes = b"", pixels: bytes | None = None
) -> bytes:
    """Return a green PNG of 8-bit RGB.

    :param between: Chunks between its header and its pixels.
    :param pixels: Instead of those that fit.
    """
    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    rows = (b"\0" + b"\x10\x80\x40" * width) * height if pixels is None else pixels
    parts = (chunk(b"IHDR", header), between, chunk(b"IDAT", zlib.compress(rows)))
    return SIGNATURE + b"".join(parts) + chunk(b"IEND", b"")
