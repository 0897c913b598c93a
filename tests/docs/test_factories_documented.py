"""The page about factories names every pin that there is."""

from __future__ import annotations

import re
from pathlib import Path

from tenantry.flask.pins import (
    BINDS,
    DATABASE_URI,
    FOLDERS,
    KEYS,
    PREFIXES,
    ROOT,
    SALT,
    SENDERS,
    SILENT,
    UNSET,
)

PAGE = Path(__file__).parents[2] / "docs" / "factories.md"


def test_each_pin_is_documented() -> None:
    """An operator who misses a setting of the app finds there what became of it."""
    text = PAGE.read_text().partition("## Bring an app that knows of no tenants")[2]
    cells = re.findall(r"^\| (`[^|]+) \|", text.partition("\n## ")[0], re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`([A-Z_*]+)`", cell)]
    pinned = {*KEYS, *UNSET, *PREFIXES, *FOLDERS, *BINDS, *SENDERS, *SILENT}
    pinned |= {SALT, ROOT, DATABASE_URI, "SECRET_KEY_FALLBACKS", "UPLOADED_*_DEST"}
    assert sorted(named) == sorted(pinned)
