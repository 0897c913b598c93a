"""docs/security.md has every requirement that code and tests cite, and the test that proves it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "platform", "tenants", "frontend_app", "backend_app", "bench")
CITED = re.compile(r"\bR([1-9][0-9]?)\b")
ITEM = re.compile(
    r"^- \*\*(?P<name>[^*]+)\*\* (?P<text>.+?)(?=\n- |\n\n|\Z)", re.MULTILINE | re.DOTALL
)
PROOF = re.compile(r"Test: `(\w+)` in `([\w/.]+)`\.")
REQUIREMENTS = 58
CHAPTERS = {
    # Sections of each chapter with the number of the last requirement in it, without level 3.
    1: {1: 2, 2: 9, 3: 11, 4: 3, 5: 2},
    2: {1: 3, 2: 3, 3: 4, 4: 1},
    3: {2: 2, 3: 4, 4: 6, 5: 5, 7: 2},
    4: {1: 3, 2: 1, 3: 2, 4: 4},
    5: {1: 1, 2: 3, 3: 2, 4: 3},
    6: {1: 3, 2: 12, 3: 4, 4: 4, 5: 5, 6: 3, 8: 4},
    7: {1: 3, 2: 4, 3: 2, 4: 5, 5: 2, 6: 2},
    8: {1: 2, 2: 3, 3: 1, 4: 1},
    9: {1: 3, 2: 4},
    10: {1: 2, 2: 2, 5: 5},
    11: {1: 2, 2: 3, 3: 3, 4: 4, 5: 1, 6: 1},
    12: {1: 3, 2: 2, 3: 4},
    13: {1: 1, 2: 5, 3: 2, 4: 5},
    14: {1: 2, 2: 4, 3: 3},
    15: {1: 3, 2: 3, 3: 7},
    16: {1: 1, 2: 5, 3: 4, 4: 3, 5: 3},
}
"""ASVS 5.0.0, levels 1 and 2. Chapter 17, and the sections for servers of OAuth, are answered whole."""


@dataclass(frozen=True)
class Answer:
    """What the page says of one requirement."""

    met: bool
    proofs: tuple[tuple[str, str], ...]


@cache
def answers() -> dict[str, Answer]:
    """Return what the page answers, by the requirement's name."""
    page = (ROOT / "docs" / "security.md").read_text()
    found = {}
    for match in ITEM.finditer(page[page.index("## Requirements") :]):
        text = " ".join(match["text"].split())
        assert match["name"] not in found, f"{match['name']} is answered twice"
        found[match["name"]] = Answer(not text.startswith("Not met."), tuple(PROOF.findall(text)))
    return found


@cache
def citations() -> dict[str, set[str]]:
    """Return the files that cite each requirement."""
    found: dict[str, set[str]] = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path == Path(__file__):
                continue
            for number in CITED.findall(path.read_text()):
                found.setdefault(f"R{number}", set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_requirement_is_answered_once() -> None:
    """The list has no holes, and nothing cites a number that is not on it."""
    numbers = {f"R{number}" for number in range(1, REQUIREMENTS + 1)}
    assert {name for name in answers() if name.startswith("R")} == numbers
    assert set(citations()) <= numbers


@pytest.mark.parametrize("number", range(1, REQUIREMENTS + 1))
def test_what_is_met_names_its_test(number: int) -> None:
    """The named test is there and cites the requirement; no test proves what is not met."""
    name = f"R{number}"
    answer = answers()[name]
    if not answer.met:
        assert not {path for path in citations().get(name, ()) if path.startswith("tests/")}
        return
    for function, path in answer.proofs:
        source = (ROOT / path).read_text()
        found = [
            ast.get_source_segment(source, node) or ""
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and node.name == function
        ]
        assert found, f"{path} has no {function}"
        assert name in {f"R{cited}" for cited in CITED.findall(found[0])}, (
            f"it does not cite {name}"
        )


def test_only_the_operators_part_has_no_test() -> None:
    """R19 is about the operator's choice of a domain; everything else that is met is tested."""
    untested = {
        name for name, it in answers().items() if name[0] == "R" and it.met and not it.proofs
    }
    assert untested == {"R19"}


def test_asvs_is_answered_line_by_line() -> None:
    """Level 2 has so many requirements, and each has its line."""
    wanted = {
        f"{chapter}.{section}.{number}"
        for chapter, sections in CHAPTERS.items()
        for section, last in sections.items()
        for number in range(1, last + 1)
    }
    wanted |= {f"{section} (the section)" for section in ("10.3", "10.4", "10.6", "10.7")}
    wanted |= {"17 (the whole chapter)"}
    assert {name for name in answers() if not name.startswith("R")} == wanted
