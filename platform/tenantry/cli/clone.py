"""``tenantry tenant clone`` and ``release``: a copy that sends nothing until it is released."""

from __future__ import annotations

import click

from tenantry.cli.context import do, dry_run_option, ready_operations
from tenantry.settings import get_settings


@click.command()
@click.argument("slug")
@click.argument("new")
@click.option("--owner", metavar="EMAIL", help="The owner.  [default: the owners of SLUG]")
@dry_run_option
def clone(slug: str, new: str, *, owner: str | None, dry_run: bool) -> None:
    """Create the tenant NEW as a copy of the tenant SLUG.

    It sends no mail, calls no webhooks and runs no jobs until it is released.
    """
    settings = get_settings()
    with ready_operations(settings) as operations:
        if dry_run:
            found = operations.preview_clone(slug, new, owner_email=owner)
            click.echo(f"Would create {new} as a copy of {slug}, which is {found.state}.")
            return
        made = operations.clone(slug, new, owner_email=owner)
    click.echo(f"Cloned {slug} to {made.slug}: {settings.site_url(made)}")
    click.echo(f"It is quiet until `tenantry tenant release {made.slug}`.")


@click.command()
@click.argument("slug")
@dry_run_option
def release(slug: str, *, dry_run: bool) -> None:
    """Let the clone SLUG send mail, call webhooks and run jobs, from its next request on."""
    with ready_operations() as operations:
        do(operations, "release", slug, dry_run=dry_run)
