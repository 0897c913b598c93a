"""docs/settings.md says what the settings are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tenantry.settings import PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(
    r"^\| `(TENANTRY_\w+)` \| (?P<type>.+?) \| (?P<default>.+?) \| (?P<meaning>.+) \|$"
)

ROWS = {
    match[1]: match for line in PAGE.read_text().splitlines() if (match := ROW.match(line.strip()))
}


def shown(default: Any) -> str:
    """Return a default as the page writes it."""
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


def test_page_and_settings_have_the_same_names() -> None:
    """A setting without a description, or a description without a setting, misleads operators."""
    assert set(ROWS) == {f"{PREFIX}{name}".upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in Settings.model_fields])
def test_default_is_the_one_that_holds(name: str) -> None:
    """A default that follows from others is told in words, every other one literally."""
    default = Settings.model_fields[name].default
    row = ROWS[f"{PREFIX}{name}".upper()]
    if default in ("", ()):
        assert row["default"].strip() not in {"", "``"}
    else:
        assert row["default"] == shown(default)


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in Settings.model_fields])
def test_every_setting_says_what_it_means(name: str) -> None:
    """Each row has a sentence, and each field one of its own for those who read the code."""
    assert len(ROWS[f"{PREFIX}{name}".upper()]["meaning"]) > 20
    assert Settings.model_fields[name].description
