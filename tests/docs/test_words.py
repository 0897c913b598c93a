"""Names and sentences use the field's own words."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tenantry.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
CODE = ("platform/tenantry", "tenants", "frontend_app", "backend_app", "bench")
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CHANGES.md"])
TEMPLATES = sorted(path for folder in CODE for path in (ROOT / folder).rglob("*.html"))
COLUMNS = 100

NAMES = frozenset(
    {
        "Again",
        "Chore",
        "End",
        "Housekeeper",
        "Lending",
        "MOVES",
        "Nap",
        "Passage",
        "Patience",
        "Resident",
        "Shelf",
        "Side",
        "TenantHeldError",
        "Watched",
        "belongings",
        "bring_up",
        "cut_off",
        "draw",
        "ends",
        "find_homeless",
        "give_back",
        "half_made",
        "hold",
        "holding",
        "homeless",
        "housekeeping",
        "journey",
        "keeper",
        "lead_on",
        "linger",
        "lost",
        "making",
        "older",
        "others_wait",
        "resident",
        "sides",
        "stalls",
        "standby",
        "standing_by",
        "undead",
        "words",
    }
)
"""Private names for what has a name: a lock, a task, a transition, a leak, a pooled instance."""

PHRASES = re.compile(
    r"""
      \boctets?\b(?!-stream)      # bytes
    | \bmend(s|ed|ing)?\b         # fix
    | \bsa(y|id|ying)\ (it\ |the\ same\ command\ )?again\b  # run the command again
    | \b(whoever|somebody)\b      # the actor's name
    | \blook(s|ed|ing)?\ whether\b  # checks whether
    | \b(come|comes|came)\ to\ be\b
    | \bas\ it\ were\b
    | \bend(s|ed)?\ in\ peace\b
    | \bonly\ wakes\b
    | \bstand(s|ing)?\ at\ the\ door\b
    | \bha(s|ve|d)\ (looked\ for\ room|waited\ long\ enough)\b
    | \btakes\ its\ tenants'\ sites\ with\ it\b
    | \bsafe\ from\ each\ other\b
    | \btold\ with\ its\ number\b
    | \blead(s|ing)?\ nowhere\b
    | \bthose\ who\ look\ after\b
    | \bwaits\ as\ told\b
    | \btime\ of\ leading\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


@cache
def modules() -> dict[Path, ast.Module]:
    """Return the modules of the platform, its apps and its benchmarks, parsed."""
    paths = [path for folder in CODE for path in (ROOT / folder).rglob("*.py")]
    return {path: ast.parse(path.read_text()) for path in [*paths, ROOT / "dispatch.py"]}


def defined_names(path: Path, module: ast.Module) -> Iterator[str]:
    """Yield what a module names for others: itself, its classes, functions, parameters and fields."""
    yield from path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        if isinstance(node, ast.ClassDef | ast.Module):
            for line in node.body:
                targets = line.targets if isinstance(line, ast.Assign) else []
                targets = [line.target] if isinstance(line, ast.AnnAssign) else targets
                yield from (target.id for target in targets if isinstance(target, ast.Name))


def messages(module: ast.Module) -> Iterator[str]:
    """Yield a module's texts but its docstrings."""
    docstrings = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield str(node.value)


def commands(command: click.Command) -> Iterator[click.Command]:
    """Yield a command and all commands below it."""
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found)


def find_phrases(text: str) -> list[str]:
    """Return the phrases of the list that a text has."""
    return [match[0] for match in PHRASES.finditer(" ".join(text.split()))]


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_a_page_reads_plainly(page: Path) -> None:
    """Its lines fit 100 columns, and its sentences have none of the listed phrases."""
    text = page.read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if len(line) > COLUMNS] == []
    assert find_phrases(text) == []


@pytest.mark.parametrize(
    "template", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in TEMPLATES]
)
def test_a_template_reads_plainly(template: Path) -> None:
    """What visitors, owners and operators read has none of the listed phrases."""
    assert find_phrases(template.read_text(encoding="utf-8")) == []


def test_commands_explain_themselves_plainly() -> None:
    """The help of commands and options has none of the listed phrases."""
    for command in commands(main):
        options = [param for param in command.params if isinstance(param, click.Option)]
        for text in [command.help or "", *(option.help or "" for option in options)]:
            assert find_phrases(text) == [], command.name


def test_messages_read_plainly() -> None:
    """No text that the code shows or logs has one of the listed phrases."""
    found = {
        (str(path.relative_to(ROOT)), phrase)
        for path, module in modules().items()
        for text in messages(module)
        for phrase in find_phrases(text)
    }
    assert found == set()


def test_names_are_the_field_s() -> None:
    """No module, class, function, parameter or field has one of the listed names."""
    found = {
        (str(path.relative_to(ROOT)), name)
        for path, module in modules().items()
        for name in defined_names(path, module)
        if name.lstrip("_") in NAMES
    }
    assert found == set()
