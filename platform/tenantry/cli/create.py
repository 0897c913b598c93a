"""``tenantry tenant create``: one tenant, or every tenant in a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import ready_operations
from tenantry.cli.operators import echo_way_in
from tenantry.cli.output import plain, progress
from tenantry.errors import CatalogUnavailableError, TenantryError
from tenantry.lifecycle import Order
from tenantry.lifecycle.tenant_file import COLUMNS, Line, check_together, read_lines
from tenantry.settings import get_settings
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.lifecycle import Operations
    from tenantry.values.tenant import Tenant


@click.command()
@click.argument("slug", required=False)
@click.option("--name", help="The site's name for people.  [default: the slug]")
@click.option("--owner", metavar="EMAIL", help="The owner; creates the account if there is none.")
@click.option("--plan", help="The plan of each new tenant.  [default: TENANTRY_DEFAULT_PLAN]")
@click.option(
    "--placement", metavar="NAME", help="The placement of its data.  [default: the first with room]"
)
@click.option(
    "--from-file",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"Create every tenant of a CSV file with the columns {', '.join(COLUMNS)}.",
)
@click.option(
    "--all-or-nothing", is_flag=True, help="With --from-file: if one line fails, create none."
)
def create(
    slug: str | None,
    *,
    name: str | None,
    owner: str | None,
    plan: str | None,
    placement: str | None,
    file: Path | None,
    all_or_nothing: bool,
) -> None:
    """Create the tenant SLUG, or every tenant of a file.

    Invalid lines of a file are reported with their line number. The valid lines are created, and the
    exit code is 1 if any line was invalid.
    """
    if (slug is None) == (file is None):
        raise click.UsageError("Give either a SLUG or --from-file.")
    if file is not None and (name is not None or owner is not None):
        raise click.UsageError("With --from-file, names and owners are in the file.")
    if file is None and all_or_nothing:
        raise click.UsageError("--all-or-nothing goes with --from-file.")
    settings = get_settings()
    plan = settings.get_plan(plan)  # before any line is told to have no such plan
    lines = read_lines(file, plan=plan, placement=placement) if file else []
    with ready_operations(settings) as operations:
        if slug is not None:
            order = Order(slug, slug if name is None else name, owner, plan, placement)
            create_one(operations, order)
        elif all_or_nothing:
            create_all(operations, lines)
        else:
            create_good(operations, lines)


def create_one(operations: Operations, order: Order) -> None:
    """Create a tenant and say where it is."""
    created = _create(operations, order)
    click.echo(f"Created {created.slug}: {get_settings().site_url(created)}")
    if order.owner_email:
        echo_way_in(operations.catalog, order.owner_email)


def create_good(operations: Operations, lines: Sequence[Line]) -> None:
    """Create what can be created, and report every line that cannot."""
    created = 0
    with progress("Creating", total=len(lines)) as step:
        for line in lines:
            try:
                _create(operations, line.get_order())
                created += 1
            except CatalogUnavailableError as error:
                problem = f"{error} Stopped at line {line.number}; {created} were created."
                raise click.ClickException(problem) from error
            except TenantryError as error:
                _tell(line, str(error))
            step()
    bad = len(lines) - created
    if bad:
        total = len(lines)
        raise click.ClickException(f"{created} of {total} tenants were created, {bad} refused.")
    click.echo(f"Created {counted(created, 'tenant')}.")


def create_all(operations: Operations, lines: Sequence[Line]) -> None:
    """Check every line first, and create all tenants or none."""
    bad = [line for line in check_together(lines, operations.catalog) if line.problem]
    for line in bad:
        _tell(line, line.problem)
    if bad:
        problem = f"Nothing was created: {len(bad)} of {len(lines)} lines are invalid."
        raise click.ClickException(problem)
    with progress("Preparing", total=len(lines)) as step:
        try:
            orders = [line.get_order() for line in lines]
            created = operations.create_many(orders, advance=step)
        except TenantryError as error:
            raise click.ClickException(f"Nothing was created. {error}") from error
    click.echo(f"Created {counted(len(created), 'tenant')}.")


def _create(operations: Operations, order: Order) -> Tenant:
    return operations.create(
        order.slug,
        name=order.name,
        owner_email=order.owner_email,
        plan=order.plan,
        placement=order.placement,
    )


def _tell(line: Line, problem: str) -> None:
    click.echo(f"line {line.number}: {plain(problem)}", err=True)
