"""The shared look: templates and assets of every page that the platform shows."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import flask_bootstrap

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
ASSETS = HERE / "assets"
BOOTSTRAP = Path(flask_bootstrap.__file__).parent / "static" / "bootstrap5"
ASSETS_PREFIX = "/-/assets/"


@lru_cache(maxsize=256)
def asset_url(name: str) -> str:
    """Return the address of an asset, the same on every host; it changes with the content.

    :param name: As ``"tenantry.css"`` or ``"bootstrap/css/bootstrap.min.css"``.
    :raises FileNotFoundError: There is no such asset.
    """
    folder, _, rest = name.partition("/")
    path = BOOTSTRAP / rest if folder == "bootstrap" else ASSETS / name
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return f"{ASSETS_PREFIX}{name}?v={digest}"
