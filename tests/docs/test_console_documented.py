"""docs/console.md names each operation that the console has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenantry.lifecycle.offered import OPERATIONS

PAGE = (Path(__file__).parents[2] / "docs" / "console.md").read_text()
BUTTONS = {
    "backup": "Back up now",
    "migrate": "Migrate all sites",
    "purge": "Purge it",
    "release": "Release the copy",
    "restore-beside": "beside",
    "resume": "Resume the site",
    "undelete": "Undelete it",
}
"""What stands on a button instead of the operation's title."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_in_the_page(name: str) -> None:
    """By the words that an operator clicks."""
    assert f"*{BUTTONS.get(name, OPERATIONS[name].title)}*" in PAGE
