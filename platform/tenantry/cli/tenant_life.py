"""``tenantry tenant rename``, ``suspend`` and ``resume``."""

from __future__ import annotations

import click

from tenantry.cli.context import dry_run_option, ready_operations
from tenantry.settings import get_settings
from tenantry.values.tenant import TenantState


@click.command()
@click.argument("old")
@click.argument("new")
@dry_run_option
def rename(old: str, new: str, *, dry_run: bool) -> None:
    """Rename the tenant OLD to NEW from the next request on.

    Its old address redirects to the new one for TENANTRY_RENAME_REDIRECT_DAYS. No other tenant can ever
    have the old name. Its custom hosts, data and keys stay as they are.
    """
    settings = get_settings()
    days = settings.rename_redirect_days
    redirect = (
        f"its old address redirects there for {days} days" if days else "its old address is closed"
    )
    with ready_operations(settings) as operations:
        if operations.preview_rename(old, new).slug == new:
            click.echo(f"{old} has the name {new} already.")
        elif dry_run:
            click.echo(f"Would rename {old} to {new}; {redirect}.")
        else:
            url = settings.site_url(operations.rename(old, new))
            click.echo(f"{old} is renamed to {new}: {url}; {redirect}.")


@click.command()
@click.argument("slug")
@click.option(
    "--reason", default="", help="The reason; stored in the audit trail, not shown to visitors."
)
@dry_run_option
def suspend(slug: str, *, reason: str, dry_run: bool) -> None:
    """Answer 403 for the tenant SLUG from the next request on; its data stays."""
    with ready_operations() as operations:
        found = operations.preview_transition(slug, TenantState.SUSPENDED)
        if found.state is TenantState.SUSPENDED:
            click.echo(f"{slug} is suspended already.")
        elif dry_run:
            click.echo(f"Would make {slug} suspended; it is {found.state}.")
        else:
            operations.suspend(slug, reason=reason)
            click.echo(f"{slug} is suspended: its site answers 403.")


@click.command()
@click.argument("slug")
@dry_run_option
def resume(slug: str, *, dry_run: bool) -> None:
    """Serve the tenant SLUG again, after maintenance, suspension or archiving."""
    with ready_operations() as operations:
        found = operations.preview_transition(slug, TenantState.ACTIVE)
        if found.state is TenantState.ACTIVE:
            click.echo(f"{slug} is active already.")
        elif dry_run:
            click.echo(f"Would make {slug} active; it is {found.state}.")
        else:
            url = get_settings().site_url(operations.resume(slug))
            click.echo(f"{slug} is served again: {url}")
