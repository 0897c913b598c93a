"""``tenantry tenant rename``, ``suspend`` and ``resume``."""

from __future__ import annotations

import click

from tenantry.cli.context import do, dry_run_option, ready_operations


@click.command()
@click.argument("old")
@click.argument("new")
@dry_run_option
def rename(old: str, new: str, *, dry_run: bool) -> None:
    """Rename the tenant OLD to NEW from the next request on.

    Its old address redirects to the new one for TENANTRY_RENAME_REDIRECT_DAYS. No other tenant can ever
    have the old name. Its custom hosts, data and keys stay as they are.
    """
    with ready_operations() as operations:
        do(operations, "rename", old, dry_run=dry_run, new=new)


@click.command()
@click.argument("slug")
@click.option(
    "--reason", default="", help="The reason; stored in the audit trail, not shown to visitors."
)
@dry_run_option
def suspend(slug: str, *, reason: str, dry_run: bool) -> None:
    """Answer 403 for the tenant SLUG from the next request on; its data stays."""
    with ready_operations() as operations:
        do(operations, "suspend", slug, dry_run=dry_run, reason=reason)


@click.command()
@click.argument("slug")
@dry_run_option
def resume(slug: str, *, dry_run: bool) -> None:
    """Serve the tenant SLUG again, after maintenance, suspension or archiving."""
    with ready_operations() as operations:
        do(operations, "resume", slug, dry_run=dry_run)
