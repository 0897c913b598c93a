"""Makes what a site serves of an uploaded picture: its pixels in several sizes, and nothing else.

What was uploaded is decoded and encoded anew (R46). Places, names of cameras and whatever else a file
carries are gone, and a file that only looks like a picture is refused.
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

WIDTHS = (480, 960, 1920)
"""Pixels. A picture is kept as wide as these, as far as it is so wide."""
FALLBACK_WIDTH = 1200
"""Of the file for programs that do not read WebP, and for links in other services."""
MAX_HEIGHT = 8000
MAX_PIXELS = {"JPEG": 50_000_000, "MPO": 50_000_000}
MAX_OTHER_PIXELS = 25_000_000
"""Few bytes can claim to be a huge picture. A JPEG is decoded at a fraction of its size.

MPO is a JPEG with further pictures behind the first one, as telephones make them.
"""
MIN_BYTES_READ = 12
"""What :func:`is_picture` needs of a file."""

AT_ONCE = 2
"""Pictures that a process works on: each can take 200 MB for a moment."""
WAIT_SECONDS = 5.0

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_ORIENTATION = 0x0112
_TURNED = {5, 6, 7, 8}
"""Orientations whose width is the file's height."""
_OPTIONS: dict[str, dict[str, Any]] = {
    "WEBP": {"quality": 80, "method": 4},
    "JPEG": {"quality": 82, "optimize": True, "progressive": True},
}
_slots = threading.BoundedSemaphore(AT_ONCE)


class BadPictureError(ValueError):
    """It cannot be used; the message says why and what to do."""


class PicturesBusyError(Exception):
    """As many pictures are worked on as may be at once."""

    def __init__(self) -> None:
        super().__init__("Other pictures are being worked on. Try again in a few seconds.")


@dataclass(frozen=True, slots=True)
class Version:
    """A file to serve."""

    name: str
    width: int
    height: int
    content: bytes


def is_picture(head: bytes) -> bool:
    """Say whether a file begins as a picture of a kind that is made into versions."""
    return head.startswith(_STARTS) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def make_versions(file: IO[bytes]) -> tuple[Version, ...]:
    """Return a picture's sizes as WebP, the narrowest first, and a JPEG or PNG as the last one.

    Of an animation the first picture is taken.

    :raises BadPictureError: It is damaged or has too many pixels.
    :raises PicturesBusyError: Others have been at work for as long as one may wait.
    """
    with _slot():
        largest = _read(file)
        kept = [width for width in WIDTHS if width < largest.width]
        if not kept or largest.width > kept[-1]:
            kept.append(largest.width)
        versions = [_encode(_shrink(largest, width), f"{width}.webp", "WEBP") for width in kept]
        small = _shrink(largest, min(largest.width, FALLBACK_WIDTH))
        if small.mode == "RGBA":
            return (*versions, _encode(small, "picture.png", "PNG"))
        return (*versions, _encode(small, "picture.jpg", "JPEG"))


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(timeout=WAIT_SECONDS):
        raise PicturesBusyError
    try:
        yield
    finally:
        _slots.release()


def _read(file: IO[bytes]) -> Image:
    """Return the picture as it is to be seen, at its largest size, as RGB or RGBA."""
    # Here, because most workers never see an upload.
    from PIL import Image, ImageOps  # noqa: PLC0415

    try:
        image: Image.Image = Image.open(file, formats=_FORMATS)
        _check_size(image)
        turned = image.getexif().get(_ORIENTATION) in _TURNED
        width, height = image.size[::-1] if turned else image.size
        part = min(1.0, WIDTHS[-1] / width, MAX_HEIGHT / height)
        size = (max(1, round(image.width * part)), max(1, round(image.height * part)))
        image.draft(None, size)
        image.load()
        if image.mode.startswith("I"):  # 16 bits a pixel
            image = image.point(lambda value: value * (1 / 256)).convert("L")
        if image.mode not in {"RGB", "RGBA", "CMYK"}:
            profile = image.info.get("icc_profile")
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
            image.info["icc_profile"] = profile if profile and image.mode == "RGB" else None
        if size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
        image = _to_srgb(ImageOps.exif_transpose(image))
    except BadPictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPictureError("This picture has too many pixels. Make it smaller.") from error
    except Exception as error:  # its readers raise many kinds of errors for damaged files
        raise BadPictureError("This picture is damaged. Save it anew and try again.") from error
    image.info.clear()
    return image


def _check_size(image: Image) -> None:
    most = MAX_PIXELS.get(image.format or "", MAX_OTHER_PIXELS)
    if image.width * image.height > most:
        raise BadPictureError(
            f"This picture has {image.width} by {image.height} pixels. "
            f"At most {most // 1_000_000} million are possible: make it smaller."
        )


def _to_srgb(image: Image) -> Image:
    """Return the picture in the colours that browsers expect of a file without a profile."""
    from PIL import ImageCms  # noqa: PLC0415 - as above

    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile := image.info.get("icc_profile"):
        with suppress(ImageCms.PyCMSError, OSError, TypeError):
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            changed: Image | None = ImageCms.profileToProfile(
                image, source, target, outputMode=mode
            )
            if changed is not None:
                return changed
    return image.convert(mode)


def _shrink(image: Image, width: int) -> Image:
    from PIL.Image import Resampling  # noqa: PLC0415 - as above

    if width == image.width:
        return image
    height = max(1, math.ceil(image.height * width / image.width))
    return image.resize((width, height), Resampling.LANCZOS, reducing_gap=2.0)


def _encode(image: Image, name: str, kind: str) -> Version:
    buffer = BytesIO()
    image.save(buffer, kind, **_OPTIONS.get(kind, {}))
    return Version(name, image.width, image.height, buffer.getvalue())
