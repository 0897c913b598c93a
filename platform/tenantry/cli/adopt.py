"""``tenantry adopt``: looks at an app that is there, and writes the settings that serve it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.cli.output import plain
from tenantry.projects.env_file import changed_variables, write_variables
from tenantry.projects.survey import survey

if TYPE_CHECKING:
    from tenantry.projects.survey import Survey

FILE = Path(".env")


@click.command()
@click.argument("module")
@click.option(
    "--args", "arguments", metavar="JSON", help="What the factory is called with: a list."
)
@click.option("--force", is_flag=True, help="Replace other values in .env without asking.")
def adopt(*, module: str, arguments: str | None, force: bool) -> None:
    """Look at an app, and write the .env that serves it.

    MODULE names its factory as `flask --app` does. Shows the factory, database, migrations, extensions,
    commands, and the lines that would share something between tenants.
    """
    found = survey(module, _list(arguments))
    echo_survey(found)
    variables = found.variables
    if arguments is not None:
        variables["TENANTRY_FACTORY_ARGS"] = arguments
    others = changed_variables(FILE, variables)
    if others and not force:
        names = ", ".join(others)
        if not sys.stdin.isatty():
            raise click.ClickException(
                f"{FILE} has other values for {names}; --force replaces them. Nothing was written."
            )
        click.confirm(f"{FILE} has other values for {names}. Replace them?", abort=True)
    write_variables(FILE, variables)
    click.echo(f"\nWrote {FILE}:")
    for name, value in variables.items():
        click.echo(f"  {name}={plain(value)}")
    click.echo(
        "\nNext: tenantry init, tenantry tenant create acme, tenantry serve, tenantry doctor"
    )


def echo_survey(found: Survey) -> None:
    """Print what was found."""
    facts = {
        "Factory": f"{found.factory}, {found.shape}",
        "Source": str(found.package),
        "Database": "; ".join(found.databases) or "none found",
        "Migrations": str(found.migrations or "none found"),
        "Extensions": ", ".join(found.extensions) or "none found",
        "Not installed": ", ".join(found.missing),
        "Commands": ", ".join(found.commands),
        "Traps": "" if found.traps else "none found",
    }
    for name, value in facts.items():
        if value:
            click.echo(f"{name + ':':<15}{plain(value)}")
    if found.traps:
        click.echo("Traps:")
    for trap in found.traps:
        click.echo(f"  {plain(trap.subject)}: {plain(trap.sentence)} {plain(trap.remedy)}".rstrip())


def _list(arguments: str | None) -> list[object] | None:
    if arguments is None:
        return None
    try:
        found = json.loads(arguments)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise click.BadParameter(f"{arguments!r} is no JSON list, as '[\"production\"]'.")
    return found
