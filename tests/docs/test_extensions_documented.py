"""The page about extensions has a row for each that is tested, and no other."""

from __future__ import annotations

from pathlib import Path

from tests.tenantry.flask.extension_rows import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "extensions.md"


def test_each_row_of_the_table_is_a_test() -> None:
    """A reader must not be promised what nobody has tried."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    names = [line.split("|")[1].strip() for line in lines[1:]]
    assert names == [row.name for row in ROWS]
