"""How commands answer: tables and progress for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

EVERY = 100
"""In a log, progress is one line for so many steps."""


def plain(value: object) -> str:
    """Return *value* as text that cannot steer a terminal.

    Names come from strangers: an escape sequence in one must not repaint the operator's screen.
    """
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\ufffd" for char in str(value)
    )


def echo_json(value: Any) -> None:
    """Print one JSON value."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def echo_json_array(items: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON array item by item: a million tenants need not fit in memory."""
    separator = "[\n  "
    for item in items:
        click.echo(separator + json.dumps(item, ensure_ascii=False, default=str), nl=False)
        separator = ",\n  "
    click.echo("[]" if separator.startswith("[") else "\n]")


def echo_facts(facts: Mapping[str, object]) -> None:
    """Print names with their values, one a line."""
    width = max(map(len, facts))
    for name, value in facts.items():
        click.echo(f"{name.ljust(width)}  {plain(value)}".rstrip())


def echo_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: fitted to a terminal, or whole and without frames into a pipe."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _echo_rich_table(headers, cells)
        return
    lines = [[header.upper() for header in headers], *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        fitted = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(fitted).rstrip())


def _echo_rich_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - takes longer than most commands
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns = (Column(header, overflow="fold") for header in headers)  # a cut URL is none
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))  # Text: what a stranger wrote is no markup
    Console().print(table)


@contextmanager
def progress(label: str, *, total: int) -> Iterator[Callable[[], None]]:
    """Yield what to call after each step: a bar on a terminal, now and then a line in a log."""
    if sys.stderr.isatty():
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import Progress  # noqa: PLC0415

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done % EVERY == 0 and done < total:
            click.echo(f"{label}: {done} of {total}", err=True)

    yield step
