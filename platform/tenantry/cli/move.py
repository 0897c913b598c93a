"""``tenantry tenant move``: to another placement, and what is left at the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.cli.output import plain, progress
from tenantry.factory import load_factory
from tenantry.lifecycle.move import check_drop, check_move, drop_former, move_tenant
from tenantry.rows.tables import BATCH
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.settings import Settings


@click.command()
@click.argument("slug")
@click.option("--to", metavar="PLACEMENT", help="Where its database shall live.")
@click.option("--drop", is_flag=True, help="Destroy the copy that the last move has left.")
@dry_run_option
def move(slug: str, *, to: str | None, drop: bool, dry_run: bool) -> None:
    """Move the database of the tenant SLUG to another placement, while its site is in use.

    Pages are answered all the time; what is sent in the last moment is answered 503, to be sent again.
    The old copy takes no more writes, and stays until --drop.
    """
    if drop == (to is not None):
        raise click.UsageError("Give either --to PLACEMENT or --drop.")
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        if to is None:
            _drop(catalog, slug, settings=settings, dry_run=dry_run)
        elif dry_run:
            _tell(catalog, slug, to, settings=settings)
        else:
            _move(catalog, slug, to, settings=settings)


def _move(catalog: Catalog, slug: str, to: str, *, settings: Settings) -> None:
    factory = load_factory(settings.factory)
    plan = check_move(catalog, factory, slug, to, settings=settings)
    if plan is None:
        click.echo(f"{slug} lives on {to} already.")
        return
    # Each row is read at one end, and looked at again at the other.
    total = 2 * (plan.rows // BATCH + 1)
    with progress(f"Moving {slug}, {BATCH} rows each", total=total) as advance:
        done = move_tenant(
            catalog, factory, slug, to, settings=settings, by=actor(), advance=advance
        )
    if done is None:
        click.echo(f"{slug} lives on {to} already.")
        return
    click.echo(
        f"{slug} lives on {to} now: {done.rows} rows, and {done.replayed} changes made meanwhile; "
        f"nothing could be written for {done.closed:.2f} s."
    )
    click.echo(f"Its old copy is kept on {done.before} until `tenantry tenant move {slug} --drop`.")


def _tell(catalog: Catalog, slug: str, to: str, *, settings: Settings) -> None:
    plan = check_move(catalog, load_factory(settings.factory), slug, to, settings=settings)
    if plan is None:
        click.echo(f"{slug} lives on {to} already.")
        return
    size = f"{plan.rows} rows, {plan.source.size() / 2**20:,.1f} MiB"
    click.echo(f"Would move {slug}, {size}, from {plan.tenant.placement} to {to}:")
    click.echo(f"  {plain(plan.source.shown)}")
    click.echo(f"  {plain(plan.target.shown)}")
    if plan.left:
        click.echo(f"What an interrupted move has left on {plan.left} would be cleared away first.")


def _drop(catalog: Catalog, slug: str, *, settings: Settings, dry_run: bool) -> None:
    if not dry_run:
        where = drop_former(catalog, slug, settings=settings, by=actor())
        click.echo(f"The old copy of {slug} on {where} is gone.")
        return
    place = check_drop(catalog, slug, settings=settings)
    size = place.database.size() if place.database.exists() else 0
    what = f"the old copy of {slug} on {place.tenant.placement}"
    click.echo(f"Would destroy {what}, {size / 2**20:,.1f} MiB: {plain(place.database.shown)}")
