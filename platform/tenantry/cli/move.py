"""``tenantry tenant move``: moves a tenant's database to another placement, and drops the old copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.cli.context import do, dry_run_option, ready_operations
from tenantry.cli.output import plain, progress
from tenantry.rows.tables import BATCH
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from tenantry.lifecycle import Operations


@click.command()
@click.argument("slug")
@click.option("--to", metavar="PLACEMENT", help="The new placement of its database.")
@click.option("--drop", is_flag=True, help="Destroy the old copy that the last move left behind.")
@dry_run_option
def move(slug: str, *, to: str | None, drop: bool, dry_run: bool) -> None:
    """Move the database of the tenant SLUG to another placement, while its site is in use.

    The site serves pages all the time; writes during the last moment get a 503 with Retry-After. The
    old copy accepts no more writes, and stays until --drop.
    """
    if drop == (to is not None):
        raise click.UsageError("Give either --to PLACEMENT or --drop.")
    with ready_operations() as operations:
        if to is None:
            do(operations, "drop-former", slug, dry_run=dry_run)
        else:
            _move(operations, slug, to, dry_run=dry_run)


def _move(operations: Operations, slug: str, to: str, *, dry_run: bool) -> None:
    preview = operations.preview_move(slug, to)
    if preview is None:
        click.echo(f"{slug} lives on {to} already.")
        return
    if dry_run:
        size = f"{counted(preview.rows, 'row')}, {preview.source.size() / 2**20:,.1f} MiB"
        click.echo(f"Would move {slug}, {size}, from {preview.tenant.placement} to {to}:")
        click.echo(f"  {plain(preview.source.shown)}")
        click.echo(f"  {plain(preview.target.shown)}")
        if preview.left:
            click.echo(f"Would first remove what an interrupted move left on {preview.left}.")
        return
    # Each row is read from the source, and read again from the target.
    total = 2 * (preview.rows // BATCH + 1)
    with progress(f"Moving {slug}, {BATCH} rows each", total=total) as advance:
        done = operations.move(slug, to, advance=advance)
    if done is None:
        click.echo(f"{slug} lives on {to} already.")
        return
    click.echo(
        f"{slug} lives on {to} now: {counted(done.rows, 'row')}, and "
        f"{counted(done.replayed, 'change')} made meanwhile; "
        f"nothing could be written for {done.closed:.2f} s."
    )
    click.echo(f"Its old copy is kept on {done.before} until `tenantry tenant move {slug} --drop`.")
