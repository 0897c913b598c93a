"""docs/settings.md says what the settings are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tenantry.settings import PREFIX, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ITEM = re.compile(
    r"^- `(TENANTRY_\w+)` \((?P<type>[^;]+); default (?P<default>.+?)\): "
    r"(?P<meaning>.+?)(?=\n- |\n\n|\Z)",
    re.MULTILINE | re.DOTALL,
)
LINK = re.compile(r" See \[[^\]]+\]\([^)]+\)\.")

ITEMS = {match[1]: match for match in ITEM.finditer(PAGE.read_text())}
FIELDS = [pytest.param(name, id=name) for name in Settings.model_fields]


def shown(default: Any) -> str:
    """Return a default as the page writes it."""
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"


def test_page_and_settings_have_the_same_names() -> None:
    """A setting without a description, or a description without a setting, misleads operators."""
    assert set(ITEMS) == {f"{PREFIX}{name}".upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", FIELDS)
def test_default_is_the_one_that_holds(name: str) -> None:
    """The page describes a default that follows from other settings, and writes out all others."""
    default = Settings.model_fields[name].default
    written = ITEMS[f"{PREFIX}{name}".upper()]["default"]
    if default in ("", ()):
        assert written.strip() not in {"", "``"}
    else:
        assert " ".join(written.split()) == shown(default)


@pytest.mark.parametrize("name", FIELDS)
def test_page_and_command_explain_a_setting_alike(name: str) -> None:
    """`tenantry settings` prints what the page says, without its links."""
    field = Settings.model_fields[name]
    item = ITEMS[f"{PREFIX}{name}".upper()]
    meaning = LINK.sub("", " ".join(item["meaning"].split()))
    if field.default in ("", ()):
        meaning += f" Default: {' '.join(item['default'].split())}."
    assert field.description == meaning
