"""Output of commands: tables and progress for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.progress import Progress
    from rich.table import Table as RichTable

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
    click.echo("\n".join(fact_lines(facts)))


def fact_lines(facts: Mapping[str, object]) -> list[str]:
    """Return names with their values, one a line."""
    width = max(map(len, facts))
    return [f"{name.ljust(width)}  {plain(value)}".rstrip() for name, value in facts.items()]


def echo_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: fitted to a terminal, or whole and without frames into a pipe."""
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 - takes longer than most commands

        Console().print(rich_table(headers, rows))
    else:
        click.echo("\n".join(table_lines(headers, rows)))


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a table whole and without frames."""
    lines = [
        [header.upper() for header in headers],
        *([plain(cell) for cell in row] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines
    )
    return ["  ".join(cells).rstrip() for cells in padded]


def rich_table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, dense: bool = False
) -> RichTable:
    """Return a table that fits itself to its terminal.

    :param dense: Without a line below the headers, for many columns or many tables.
    """
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Column, Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    columns = (Column(header, overflow="fold") for header in headers)  # a cut URL is none
    box, padding = (None, (0, 2, 0, 0)) if dense else (SIMPLE_HEAD, (0, 1))
    style = "dim" if dense else "table.header"
    table = Table(*columns, box=box, padding=padding, pad_edge=False, header_style=style)
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))  # Text: a stranger's text is no markup
    return table


@contextmanager
def progress(label: str, *, total: int) -> Iterator[Callable[[], None]]:
    """Yield what to call after each step: a bar on a terminal, now and then a line in a log.

    Both tell how fast it goes and how long it will take.
    """
    if sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(label, total=total)
            yield lambda: bar.advance(task)
        return
    done, started = 0, time.monotonic()

    def step() -> None:
        nonlocal done
        done += 1
        if done % EVERY == 0 and done < total:
            rate = done / max(time.monotonic() - started, 0.001)
            left = f"{rate:.0f} a second, {(total - done) / rate:.0f} s left"
            click.echo(f"{label}: {done} of {total}, {left}", err=True)

    yield step


def _bar() -> Progress:
    from rich import progress as parts  # noqa: PLC0415 - takes longer than most commands
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    class Rate(parts.ProgressColumn):
        """How many steps a second."""

        def render(self, task: parts.Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.0f}/s" if speed else "", style="progress.data.speed")

    return parts.Progress(
        parts.TextColumn("{task.description}"),
        parts.BarColumn(),
        parts.MofNCompleteColumn(),
        Rate(),
        parts.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
