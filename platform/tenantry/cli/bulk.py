"""``tenantry tenant bulk``: an operation on all tenants of a filter, as one job."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog import TenantFilter
from tenantry.cli.context import dry_run_option, ready_operations
from tenantry.cli.output import plain
from tenantry.lifecycle.bulk import NAMES, describe_filter
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.values.tenant import TenantState
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.lifecycle.bulk import BulkPreview
    from tenantry.lifecycle.declaration import Parameter


@click.command()
@click.argument("operation", type=click.Choice(NAMES))
@click.option("--search", default="", metavar="TEXT", help="As `tenantry tenant list` searches.")
@click.option("--state", type=click.Choice([state.value for state in TenantState]))
@click.option("--plan", default="", metavar="NAME", help="Only tenants with this plan.")
@click.option("--placement", default="", metavar="NAME", help="Only tenants on this placement.")
@click.option("--schema", default="", metavar="REVISION", help="Only tenants at this revision.")
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the operation takes, as reason=unpaid, new=gold, message=Soon, keep=3.",
)
@click.option("--count", type=int, help="To how many tenants, as --dry-run says.")
@dry_run_option
def bulk(
    operation: str,
    *,
    given: Sequence[str],
    count: int | None,
    dry_run: bool,
    state: str | None,
    **only: str,
) -> None:
    """Do OPERATION to all tenants of a filter, as one job.

    Without a filter, these are all tenants. Each gets what the operation does to it alone. If other
    tenants match by now than --count says, nothing is done.
    """
    if (count is None) != dry_run:
        raise click.UsageError("Give --dry-run first, and then --count with the number it says.")
    arguments = _read(operation, given)
    which = TenantFilter(state=TenantState(state) if state else None, **only)
    with ready_operations() as operations:
        if count is None:
            _show(operation, operations.preview_bulk(operation, which, **arguments), which)
            return
        job = operations.start_bulk(operation, which, expected=count, **arguments)
    click.echo(f"Job {job.id} does it. `tenantry job show {job.id}` shows how far it is.")


def _show(operation: str, preview: BulkPreview, which: TenantFilter) -> None:
    left_out = "".join(f", {count} {state} left out" for state, count in preview.left_out.items())
    matching = plain(describe_filter(which))
    click.echo(f"Would {operation} {counted(preview.count, 'tenant')} ({matching}){left_out}.")
    for sentence in preview.would:
        click.echo(plain(sentence))


def _read(operation: str, given: Sequence[str]) -> dict[str, Any]:
    """Return the operation's arguments, each as its own type.

    :raises click.UsageError: One is unknown, missing, or no such value.
    """
    known = {one.name: one for one in OPERATIONS[operation].parameters}
    arguments = {}
    for pair in given:
        name, _, value = pair.partition("=")
        if name not in known:
            takes = ", ".join(known) or "nothing"
            raise click.UsageError(f"{operation} does not take {name!r}; it takes {takes}.")
        arguments[name] = _convert(known[name], value)
    missing = [one.name for one in known.values() if one.is_required and one.name not in arguments]
    if missing:
        raise click.UsageError(f"{operation} needs --set {missing[0]}=VALUE.")
    return arguments


def _convert(parameter: Parameter, value: str) -> Any:
    try:
        if parameter.type is int:
            return int(value)
        return datetime.fromisoformat(value) if parameter.type is datetime else value
    except ValueError as error:
        kind = "a whole number" if parameter.type is int else "a time, as 2026-12-01T06:00"
        raise click.UsageError(f"{value!r} for {parameter.name} is not {kind}.") from error
