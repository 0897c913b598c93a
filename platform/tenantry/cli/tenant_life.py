"""``tenantry tenant rename``."""

from __future__ import annotations

import click

from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.errors import TenantRenamedError
from tenantry.lifecycle import check_rename, rename_tenant
from tenantry.settings import get_settings


@click.command()
@click.argument("old")
@click.argument("new")
@dry_run_option
def rename(old: str, new: str, *, dry_run: bool) -> None:
    """Call the tenant OLD by the name NEW from the next request on.

    Its old address leads to the new one for a time (TENANTRY_RENAME_REDIRECT_DAYS), and nobody else
    can have the old name ever after. Its own hosts, data and keys stay as they are.
    """
    settings = get_settings()
    days = settings.rename_redirect_days
    led = f"its old address leads there for {days} days" if days else "its old address is closed"
    with ready_catalog(settings) as catalog:
        try:
            tenant = check_rename(catalog, old, new)
        except TenantRenamedError as error:
            if error.now != new:
                raise
            click.echo(f"{old} is called {new} already.")
            return
        if tenant.slug == new:
            click.echo(f"{old} is called that already.")
        elif dry_run:
            click.echo(f"Would call {old} {new}; {led}.")
        else:
            renamed = rename_tenant(catalog, old, new, settings=settings, by=actor())
            click.echo(f"{old} is called {new} now: {settings.site_url(renamed)}; {led}.")
