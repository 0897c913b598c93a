"""docs/features.md leads to files and tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| ([^|]+) \| [^|]+ \| \[(.+)\]\[c(\d+)\] \| \[test\]\[t(\d+)\] \| \[page\]\[p(\d+)\] \|$",
    PAGE,
    re.MULTILINE,
)
LINKS = dict(re.findall(r"^\[([ctp]\d+)\]: (.+)$", PAGE, re.MULTILINE))
FLASK = "https://flask.palletsprojects.com/en/stable/"


def find_path(link: str) -> Path:
    """Return the file that a link beside the page leads to."""
    return ROOT / "docs" / link


def test_every_row_is_read() -> None:
    """A row in another form would not be checked, and no link is left over."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and "[page]" in line]
    assert len(lines) == len(ROWS) >= 40
    assert len({row[0] for row in ROWS}) == len(ROWS)
    assert LINKS.keys() == {f"{kind}{row[2]}" for row in ROWS for kind in "ctp"}


@pytest.mark.parametrize("row", [pytest.param(row, id=row[0]) for row in ROWS])
def test_a_row_leads_to_what_is_there(row: tuple[str, ...]) -> None:
    """The file is there and has the name, the test is a function of its file, and Flask has a page."""
    _, code, number, test_number, page_number = row
    assert number == test_number == page_number
    path = find_path(LINKS[f"c{number}"])
    assert path.is_file()
    assert path.name == code
    link, _, title = LINKS[f"t{number}"].partition(" ")
    module = find_path(link)
    names = {
        node.name
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert title.strip('"') in names
    assert LINKS[f"p{number}"].startswith(FLASK)
