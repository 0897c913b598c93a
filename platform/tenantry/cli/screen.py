"""Prints pages of tables once, or repeatedly until Ctrl-C."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import click

from tenantry.cli.output import plain, rich_table, table_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Group, RenderableType


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title, and perhaps a sentence below."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""


Part = Table | str
"""What pages are made of; a string is lines as they are."""


def echo_page(parts: Iterable[Part]) -> None:
    """Print a page: fitted to a terminal, or whole and without frames into a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - takes longer than most commands

        Console().print(_rich_page(parts))
    else:
        click.echo("\n\n".join(_plain_part(part) for part in parts))


def watch_page(make: Callable[[], Iterable[Part]], *, seconds: float) -> None:
    """Show the page that *make* returns, made anew every so many seconds, until Ctrl-C.

    A terminal is redrawn. Into a pipe go whole pages, one after the other.
    """
    with suppress(KeyboardInterrupt):  # how people end it, not a failure
        if sys.stdout.isatty():
            _redraw(make, seconds=seconds)
        while True:
            echo_page(make())
            click.echo()
            time.sleep(seconds)


def watch_lines(make: Callable[[], str], *, seconds: float) -> None:
    """Print the line that *make* returns every so many seconds, until Ctrl-C."""
    with suppress(KeyboardInterrupt):
        while True:
            click.echo(make())
            time.sleep(seconds)


def _redraw(make: Callable[[], Iterable[Part]], *, seconds: float) -> NoReturn:
    from rich.live import Live  # noqa: PLC0415

    with Live(auto_refresh=False) as live:
        while True:
            live.update(_rich_page(make()), refresh=True)
            time.sleep(seconds)


def _plain_part(part: Part) -> str:
    if isinstance(part, str):
        return part
    lines = [f"{part.title}:", *table_lines(part.headers, part.rows)]
    return "\n".join([*lines, *([plain(part.note)] if part.note else [])])


def _rich_page(parts: Iterable[Part]) -> Group:
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown: list[RenderableType] = []
    for part in parts:
        if isinstance(part, str):
            shown.append(Text(f"{part}\n"))
            continue
        table = rich_table(part.headers, part.rows, dense=True)
        shown += [Text(part.title, style="bold"), table, Text(plain(part.note))]
        if part.note:
            shown.append(Text())
    return Group(*shown)
