"""``tenantry tenant plan``: applies another plan's limits to a tenant."""

from __future__ import annotations

import click

from tenantry.cli.context import do, dry_run_option, ready_operations


@click.command()
@click.argument("slug")
@click.argument("new", metavar="PLAN")
@dry_run_option
def plan(slug: str, new: str, *, dry_run: bool) -> None:
    """Apply the limits of PLAN to the tenant SLUG from the next request on.

    TENANTRY_LIMIT_PLANS names the plans and their limits.
    """
    with ready_operations() as operations:
        do(operations, "plan", slug, dry_run=dry_run, new=new)
