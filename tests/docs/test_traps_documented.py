"""The page about traps names a test for each of them, and the test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "traps.md"
ROW = re.compile(r"^(\d+)\. .*\n(?: +[^`\n].*\n)* +`([\w/.]+)`:\n +`(\w+)`$", re.MULTILINE)


def test_each_trap_has_a_row_with_its_test() -> None:
    """A reader must not be promised what nobody has tried."""
    rows = ROW.findall(PAGE.read_text())
    assert [int(number) for number, _, _ in rows] == list(range(1, 16))
    for _, path, name in rows:
        module = ast.parse((TESTS / path).read_text())
        assert name in {part.name for part in module.body if isinstance(part, ast.FunctionDef)}
