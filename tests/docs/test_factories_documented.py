"""The page about factories names every pin that there is."""

from __future__ import annotations

import re
from pathlib import Path

from tenantry.flask.pins import BINDS, DATABASE_URI, FOLDERS, KEYS, PREFIXES, ROOT, UNSET

PAGE = Path(__file__).parents[2] / "docs" / "factories.md"


def test_each_pin_is_documented() -> None:
    """An operator who misses a setting of the app finds there what became of it."""
    text = PAGE.read_text().partition("## Bring an app that knows of no tenants")[2]
    named = set(re.findall(r"`([A-Z_]+)`", text.partition("\n## ")[0]))
    assert {*KEYS, *UNSET, *PREFIXES, *FOLDERS, *BINDS, ROOT, DATABASE_URI} <= named
