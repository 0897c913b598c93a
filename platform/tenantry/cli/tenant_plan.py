"""``tenantry tenant plan``: applies another plan's limits to a tenant."""

from __future__ import annotations

import click

from tenantry.cli.context import dry_run_option, ready_operations


@click.command()
@click.argument("slug")
@click.argument("new", metavar="PLAN")
@dry_run_option
def plan(slug: str, new: str, *, dry_run: bool) -> None:
    """Apply the limits of PLAN to the tenant SLUG from the next request on.

    TENANTRY_LIMIT_PLANS names the plans and their limits.
    """
    with ready_operations() as operations:
        before = operations.preview_plan(slug, new).plan
        if before == new:
            click.echo(f"{slug} has the plan {new} already.")
        elif dry_run:
            click.echo(f"Would give {slug} the plan {new}; it has {before}.")
        else:
            operations.change_plan(slug, new)
            click.echo(f"{slug} has the plan {new} now; it had {before}.")
