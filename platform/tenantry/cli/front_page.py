"""``tenantry front-page``: shows and changes the front page, its look and the legal pages."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from tenantry.cli.context import dry_run_option, ready_catalog, ready_operations
from tenantry.cli.listing import json_option, paged, pages_of, show_rest
from tenantry.cli.output import echo_facts, echo_json, echo_json_array, echo_table, plain
from tenantry.errors import BadArgumentError
from tenantry.values.front_page import LEGAL, TEXTS, limit_of
from tenantry.values.png import MAX_BYTES
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenantry.lifecycle import Operations
    from tenantry.values.front_page import FrontPage

FILES = ("about", *LEGAL)
"""Texts of many lines: a command reads them from files."""
MOST_BYTES = 4
"""Of one character in UTF-8."""
NUMBER = click.IntRange(0, 2**31 - 1)
"""A revision's, as the catalog can hold it."""


@click.group("front-page")
def front_page() -> None:
    """Show and change the front page, its look and the legal pages."""


def _content_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each part of the front page."""
    for name in reversed(tuple(TEXTS)):
        flag, help_text = f"--{name.replace('_', '-')}", f"{TEXTS[name]}."
        if name in FILES:
            kind = click.File("rb")
            option = click.option(flag, name, type=kind, metavar="FILE", help=help_text)
        else:
            option = click.option(flag, name, metavar="TEXT", help=help_text)
        command = option(command)
    return command


@front_page.command()
@click.option("--revision", type=NUMBER, help="An earlier one. Default: the newest.")
@json_option
def show(*, revision: int | None, as_json: bool) -> None:
    """Show what the front page says."""
    with ready_operations() as operations:
        newest = operations.catalog.front_pages.get()
        number = newest.revision if revision is None else revision
        found = operations.get_front_page(number)
    if as_json:
        echo_json(asdict(found) | {"logo": b64encode(found.logo).decode()})
    else:
        echo_facts(_to_facts(found))


@front_page.command()
@_content_options
@click.option("--logo", type=click.File("rb"), metavar="FILE", help="A PNG.")
@click.option("--no-logo", is_flag=True, help="Remove the logo.")
@click.option("--after", type=NUMBER, help="Refuse if there is a newer revision.")
@dry_run_option
def change(
    *,
    logo: BinaryIO | None,
    no_logo: bool,
    after: int | None,
    dry_run: bool,
    **texts: Any,
) -> None:
    """Change parts of the front page; what is not named stays.

    Each change is a revision. Visitors see it at their next request.
    """
    changes: dict[str, Any] = {
        name: _read(name, value) for name, value in texts.items() if value is not None
    }
    if logo is not None and no_logo:
        raise click.UsageError("Give one of --logo and --no-logo.")
    if logo is not None or no_logo:
        changes["logo"] = b"" if logo is None else logo.read(MAX_BYTES + 1)
    if not changes:
        raise click.UsageError("Name what is to be changed, as --headline or --terms.")
    with ready_operations() as operations:
        _save(operations, changes, after=after, dry_run=dry_run)


@front_page.command()
@click.argument("revision", type=NUMBER)
@dry_run_option
def use(revision: int, *, dry_run: bool) -> None:
    """Save the content of an earlier REVISION as the newest one; 0 is what Tenantry comes with."""
    with ready_operations() as operations:
        _save(operations, operations.get_front_page_content(revision), after=None, dry_run=dry_run)


@front_page.command()
@paged
def revisions(*, page: int, size: int, every: bool, as_json: bool) -> None:
    """List the revisions, the newest first: when, who, and what was changed."""
    with ready_catalog() as catalog:
        parts = list(
            pages_of(
                lambda page, size: catalog.front_pages.list(page=page, size=size),
                page=page,
                size=size,
                every=every,
            )
        )
    found = [item for part in parts for item in part.items]
    if as_json:
        echo_json_array(
            {"revision": it.number, "at": it.at.isoformat(), "by": it.by, "changed": it.changed}
            for it in found
        )
        return
    rows = [(it.number, f"{it.at:%Y-%m-%d %H:%M}", it.by, ", ".join(it.changed)) for it in found]
    echo_table(["Revision", "When", "By", "Changed"], rows)
    show_rest(parts[-1], every=every)


def _save(
    operations: Operations, changes: Mapping[str, Any], *, after: int | None, dry_run: bool
) -> None:
    changed = operations.preview_front_page(changes)
    newest = operations.catalog.front_pages.get().revision
    if not changed:
        click.echo("Nothing to change: the front page says that already.")
    elif dry_run:
        click.echo(f"Would change {', '.join(changed)}.")
    else:
        saved = operations.change_front_page(changes, after=newest if after is None else after)
        click.echo(f"Saved as revision {saved.revision}: {', '.join(changed)}.")


def _read(name: str, value: str | BinaryIO) -> str:
    if isinstance(value, str):
        return value
    most = MOST_BYTES * limit_of(name)
    content = value.read(most + 1)
    if len(content) > most:  # and perhaps cut within a character
        raise BadArgumentError(plain(value.name), f"it has more than {limit_of(name)} characters")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise BadArgumentError(plain(value.name), "it is no UTF-8 text") from error


def _to_facts(page: FrontPage) -> dict[str, str]:
    """Return the page for people: of what has many lines, how long it is."""
    facts = {"Revision": str(page.revision)}
    for name in TEXTS:
        value = getattr(page, name)
        if name in FILES and value:
            value = counted(len(value), "character")
        facts[name.replace("_", " ").capitalize()] = value
    return facts | {"Logo": counted(len(page.logo), "byte") if page.logo else ""}
