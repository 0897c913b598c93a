"""Files that a person uploads."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import FilePayload


def draw(colour: str) -> bytes:
    """Return a picture."""
    buffer = BytesIO()
    Image.new("RGB", (900, 500), colour).save(buffer, "PNG")
    return buffer.getvalue()


def as_file(name: str, content: bytes) -> FilePayload:
    """Return a file as a file chooser takes it."""
    return {"name": name, "mimeType": "image/png", "buffer": content}
