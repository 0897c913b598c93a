"""docs/commands.md says what the commands are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from tenantry.cli import COMMANDS, main

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
SECTION = re.compile(r"^## `(tenantry[a-z -]*)`$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
OPTION = re.compile(r"`(--[a-z-]+)[ `]")

SECTIONS = {match[1]: match[2] for match in SECTION.finditer(PAGE.read_text())}


def walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its full name."""
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield name, command
    if not isinstance(command, click.Group):
        return
    context = click.Context(command)
    for word in command.list_commands(context):
        found = command.get_command(context, word)
        assert found is not None
        yield from walk(found, f"{name} {word}")


TREE = dict(walk(main, "tenantry"))


def options_of(command: click.Command) -> set[str]:
    """Return the long options of a command."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    return {name for option in options for name in option.opts if name.startswith("--")}


def test_page_and_program_have_the_same_commands() -> None:
    """A command that nobody can read about, or that is not there, misleads operators."""
    assert set(SECTIONS) - {"tenantry"} == set(TREE)


@pytest.mark.parametrize(
    ("name", "command"), [pytest.param(name, command, id=name) for name, command in TREE.items()]
)
def test_page_and_command_have_the_same_options(name: str, command: click.Command) -> None:
    """Every option stands in its command's list, and the list has no others."""
    listed = "\n".join(line for line in SECTIONS[name].splitlines() if line.startswith("- "))
    assert set(OPTION.findall(listed)) == options_of(command)


@pytest.mark.parametrize("name", [pytest.param(name, id=name) for name in COMMANDS])
def test_summary_is_the_command_s_own(name: str) -> None:
    """The list of commands is kept by hand, so that it needs no imports; it must not drift."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name]
