"""Shared templates and assets of every page."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
ASSETS = HERE / "assets"
ASSETS_PREFIX = "/-/assets/"


@lru_cache(maxsize=256)
def asset_url(name: str) -> str:
    """Return the address of an asset, the same on every host; it changes with the content.

    :param name: As ``"tenantry.css"``.
    :raises FileNotFoundError: There is no such asset.
    """
    return f"{ASSETS_PREFIX}{name}?v={digest((ASSETS / name).read_bytes())}"


def digest(content: bytes) -> str:
    """Return what names this content in an address."""
    return hashlib.sha256(content).hexdigest()[:12]
