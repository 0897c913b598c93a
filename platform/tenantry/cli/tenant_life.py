"""``tenantry tenant rename``, ``suspend`` and ``resume``."""

from __future__ import annotations

import click

from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.errors import BadTransitionError, TenantRenamedError
from tenantry.lifecycle.rename import check_rename, rename_tenant
from tenantry.lifecycle.suspend import resume_tenant, suspend_tenant
from tenantry.settings import get_settings
from tenantry.values.tenant import TRANSITIONS, TenantState


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


@click.command()
@click.argument("slug")
@click.option("--reason", default="", help="Why; kept in the audit trail, not shown to visitors.")
@dry_run_option
def suspend(slug: str, *, reason: str, dry_run: bool) -> None:
    """Answer 403 for the tenant SLUG from the next request on; nothing of it is lost."""
    _change_state(slug, TenantState.SUSPENDED, reason=reason, dry_run=dry_run)


@click.command()
@click.argument("slug")
@dry_run_option
def resume(slug: str, *, dry_run: bool) -> None:
    """Serve the tenant SLUG again that was in maintenance, suspended or archived."""
    _change_state(slug, TenantState.ACTIVE, reason="", dry_run=dry_run)


def _change_state(slug: str, state: TenantState, *, reason: str, dry_run: bool) -> None:
    with ready_catalog() as catalog:
        found = catalog.tenants.get(slug)
        if found.state is state:
            click.echo(f"{slug} is {state} already.")
            return
        # What was never provisioned has no site to be served, though the table has that transition.
        if state not in TRANSITIONS[found.state] or found.state is TenantState.PROVISIONING:
            raise BadTransitionError(slug, found.state, state)
        if dry_run:
            click.echo(f"Would make {slug} {state}; it is {found.state}.")
        elif state is TenantState.SUSPENDED:
            suspend_tenant(catalog, slug, reason=reason, by=actor())
            click.echo(f"{slug} is suspended: its site answers 403.")
        else:
            resume_tenant(catalog, slug, settings=get_settings(), by=actor())
            click.echo(f"{slug} is served again: {get_settings().site_url(found)}")
