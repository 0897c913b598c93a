"""``tenantry tenant plan``."""

from __future__ import annotations

import click

from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.lifecycle import change_plan
from tenantry.settings import get_settings


@click.command()
@click.argument("slug")
@click.argument("new", metavar="PLAN")
@dry_run_option
def plan(slug: str, new: str, *, dry_run: bool) -> None:
    """Hold the tenant SLUG to the limits of PLAN from the next request on.

    TENANTRY_LIMIT_PLANS names the plans and their limits.
    """
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        before = catalog.tenants.get(slug).plan
        wanted = settings.get_plan(new)
        if before == wanted:
            click.echo(f"{slug} has the plan {wanted} already.")
        elif dry_run:
            click.echo(f"Would give {slug} the plan {wanted}; it has {before}.")
        else:
            change_plan(catalog, slug, wanted, settings=settings, by=actor())
            click.echo(f"{slug} has the plan {wanted} now; it had {before}.")
