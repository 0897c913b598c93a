"""``tenantry tenant archive``, ``delete``, ``undelete`` and ``purge``: how a tenant's life ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.cli.output import plain
from tenantry.errors import BadTransitionError, TenantryError
from tenantry.files.disk import exists
from tenantry.lifecycle import (
    archive_tenant,
    check_purge,
    check_undelete,
    delete_tenant,
    export_tenant,
    find_residual_data,
    purge_tenant,
    undelete_tenant,
)
from tenantry.settings import get_settings
from tenantry.values.tenant import TRANSITIONS, TenantState

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.catalog import Catalog, TenantRow
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
reason_option = click.option(
    "--reason", default="", help="Why; kept in the audit trail, not shown to visitors."
)


@click.command()
@click.argument("slug")
@reason_option
@dry_run_option
def archive(slug: str, *, reason: str, dry_run: bool) -> None:
    """Answer 410 for the tenant SLUG from the next request on; all of it is kept.

    `tenantry tenant resume` serves it again.
    """
    with ready_catalog() as catalog:
        found = catalog.tenants.get(slug)
        if found.state is TenantState.ARCHIVED:
            click.echo(f"{slug} is archived already.")
            return
        if (
            TenantState.ARCHIVED not in TRANSITIONS[found.state]
            or found.state is TenantState.DELETED
        ):
            raise BadTransitionError(slug, found.state, TenantState.ARCHIVED)
        if dry_run:
            click.echo(f"Would archive {slug}: its site would answer 410; it is {found.state}.")
            return
        archive_tenant(catalog, slug, reason=reason, by=actor())
    click.echo(f"{slug} is archived: its site answers 410. `tenantry tenant resume` undoes it.")


@click.command()
@click.argument("slug")
@reason_option
@yes_option
@dry_run_option
def delete(slug: str, *, reason: str, yes: bool, dry_run: bool) -> None:
    """Close the tenant SLUG, write a bundle of it, and let it be purged after some time.

    Until then (TENANTRY_PURGE_DAYS) `tenantry tenant undelete` brings it back.
    """
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        row = catalog.tenants.get_row(slug)
        if row.tenant.state is TenantState.DELETED:
            click.echo(f"{slug} is deleted already{_until(row)}.")
            return
        bundle = settings.last_bundle(row.tenant.id)
        if dry_run:
            click.echo(
                f"Would archive {slug}, write a bundle of it to {plain(bundle)}, and delete it. In "
                f"{settings.purge_days} days it could be purged, which would destroy:"
            )
            _echo_residual_data(catalog, row.tenant, settings)
            return
        _confirm("delete", slug, yes=yes)
        row = delete_tenant(
            catalog,
            slug,
            export=lambda tenant: _write_bundle(catalog, tenant, bundle, settings=settings),
            reason=reason,
            settings=settings,
            by=actor(),
        )
    kept = f" A bundle of it is in {plain(bundle)}." if exists(bundle) else ""
    click.echo(f"{slug} is deleted{_until(row)}.{kept}")


@click.command()
@click.argument("slug")
@dry_run_option
def undelete(slug: str, *, dry_run: bool) -> None:
    """Bring the deleted tenant SLUG back: it is archived, with all that it had."""
    with ready_catalog() as catalog:
        row = check_undelete(catalog, slug)
        if row.tenant.state is TenantState.ARCHIVED:
            click.echo(f"{slug} is archived already.")
        elif dry_run:
            click.echo(f"Would make {slug} archived; it is deleted{_until(row)}.")
        else:
            undelete_tenant(catalog, slug, settings=get_settings(), by=actor())
            click.echo(f"{slug} is archived again. `tenantry tenant resume {slug}` serves it.")


@click.command()
@click.argument("slug", required=False)
@click.option("--due", is_flag=True, help="All deleted tenants whose purge date is over.")
@click.option("--early", is_flag=True, help="Also before SLUG's purge date.")
@yes_option
@dry_run_option
def purge(slug: str | None, *, due: bool, early: bool, yes: bool, dry_run: bool) -> None:
    """Destroy all that the deleted tenant SLUG had; nothing brings it back.

    Its id, its names and its audit trail stay. Exit code 1 says that something is left, and what.
    """
    if due == (slug is not None) or (due and early):
        raise click.UsageError("Give either a SLUG, perhaps with --early, or --due.")
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        slugs = catalog.purges.list_due() if slug is None else (slug,)
        rows = [check_purge(catalog, name, early=early) for name in slugs]
        if not rows:
            click.echo("Nothing is due.")
        elif dry_run:
            for row in rows:
                click.echo(f"Would purge {row.tenant.slug}, which would destroy:")
                _echo_residual_data(catalog, row.tenant, settings)
        else:
            _confirm("purge", slug or f"{len(rows)} tenants", yes=yes)
            _purge_all(catalog, rows, early=early, settings=settings)


def _purge_all(catalog: Catalog, rows: list[TenantRow], *, early: bool, settings: Settings) -> None:
    """Purge one after the other; what is left of one stops no other."""
    left: list[str] = []
    for row in rows:
        slug = row.tenant.slug
        if row.purged_at is not None:
            click.echo(f"{slug} is purged already.")
            continue
        try:
            purge_tenant(catalog, slug, early=early, settings=settings, by=actor())
        except TenantryError as error:
            left.append(str(error))
        else:
            click.echo(f"{slug} is purged: nothing of it is left but its name.")
    if left:
        raise click.ClickException("\n".join(map(plain, left)))


def _write_bundle(catalog: Catalog, tenant: Tenant, path: Path, *, settings: Settings) -> None:
    """Write the tenant's last bundle in the place of one that an earlier deletion left."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    # What is lost already must not keep the rest from being deleted.
    export_tenant(catalog, tenant.slug, new, even_if_lost=True, settings=settings, by=actor())
    new.replace(path)


def _confirm(verb: str, what: str, *, yes: bool) -> None:
    """Let a person on a terminal type what is to be destroyed; programs say --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"Nothing was done: say --yes to {verb} {what}.")
    typed = click.prompt(f"Type `{what}` to {verb} it", default="", show_default=False)
    if typed.strip() != what:
        raise click.ClickException(f"Nothing was done: {plain(typed)!r} is not {what!r}.")


def _until(row: TenantRow) -> str:
    if row.purged_at is not None:
        return f" and was purged on {row.purged_at:%Y-%m-%d}"
    if row.is_due:
        return " and due to be purged"
    return f" and can be undeleted until {row.purge_date}" if row.purge_date else ""


def _echo_residual_data(catalog: Catalog, tenant: Tenant, settings: Settings) -> None:
    for belonging in find_residual_data(catalog, tenant, settings=settings):
        size = f", {_shown(belonging.size)}" if belonging.size else ""
        click.echo(f"  {plain(belonging.what)}{size}")


def _shown(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"
