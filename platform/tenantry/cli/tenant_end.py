"""``tenantry tenant archive``, ``delete``, ``undelete`` and ``purge``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import do, dry_run_option, ready_operations
from tenantry.cli.output import plain
from tenantry.errors import TenantryError
from tenantry.files.disk import exists
from tenantry.settings import get_settings
from tenantry.values.tenant import TenantState
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from tenantry.catalog import TenantRow
    from tenantry.lifecycle import Operations
    from tenantry.values.tenant import Tenant

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
reason_option = click.option(
    "--reason", default="", help="The reason; stored in the audit trail, not shown to visitors."
)


@click.command()
@click.argument("slug")
@reason_option
@dry_run_option
def archive(slug: str, *, reason: str, dry_run: bool) -> None:
    """Answer 410 for the tenant SLUG from the next request on; its data stays.

    `tenantry tenant resume` serves it again.
    """
    with ready_operations() as operations:
        hint = "`tenantry tenant resume` undoes it."
        do(operations, "archive", slug, dry_run=dry_run, hint=hint, reason=reason)


@click.command()
@click.argument("slug")
@reason_option
@yes_option
@dry_run_option
def delete(slug: str, *, reason: str, yes: bool, dry_run: bool) -> None:
    """Archive the tenant SLUG, write a bundle of it, and mark it as deleted.

    For TENANTRY_PURGE_DAYS, `tenantry tenant undelete` restores it. Then it can be purged.
    """
    settings = get_settings()
    with ready_operations(settings) as operations:
        row = operations.preview_delete(slug)
        if row.tenant.state is TenantState.DELETED:
            click.echo(f"{slug} is deleted already{_until(row)}.")
            return
        bundle = settings.last_bundle(row.tenant.id)
        if dry_run:
            click.echo(
                f"Would archive {slug}, write a bundle of it to {plain(bundle)}, and delete it. In "
                f"{settings.purge_days} days it could be purged, which would destroy:"
            )
            _echo_residual_data(operations, row.tenant)
            return
        _confirm("delete", slug, yes=yes)
        row = operations.delete(slug, reason=reason)
    kept = f" A bundle of it is in {plain(bundle)}." if exists(bundle) else ""
    click.echo(f"{slug} is deleted{_until(row)}.{kept}")


@click.command()
@click.argument("slug")
@dry_run_option
def undelete(slug: str, *, dry_run: bool) -> None:
    """Restore the deleted tenant SLUG: it is then archived, with all its data."""
    with ready_operations() as operations:
        hint = f"`tenantry tenant resume {slug}` serves it."
        do(operations, "undelete", slug, dry_run=dry_run, hint=hint)


@click.command()
@click.argument("slug", required=False)
@click.option("--due", is_flag=True, help="All deleted tenants whose purge date has passed.")
@click.option("--early", is_flag=True, help="Also before SLUG's purge date.")
@yes_option
@dry_run_option
def purge(slug: str | None, *, due: bool, early: bool, yes: bool, dry_run: bool) -> None:
    """Destroy all data of the deleted tenant SLUG; there is no way back.

    Its id, its names and its audit trail stay. If something is left, the exit code is 1 and stderr
    names it.
    """
    if due == (slug is not None) or (due and early):
        raise click.UsageError("Give either a SLUG, perhaps with --early, or --due.")
    with ready_operations() as operations:
        slugs = operations.catalog.purges.list_due() if slug is None else (slug,)
        rows = [operations.preview_purge(name, early=early) for name in slugs]
        if not rows:
            click.echo("Nothing is due.")
        elif dry_run:
            for row in rows:
                click.echo(f"Would purge {row.tenant.slug}, which would destroy:")
                _echo_residual_data(operations, row.tenant)
        else:
            _confirm("purge", slug or counted(len(rows), "tenant"), yes=yes)
            _purge_all(operations, rows, early=early)


def _purge_all(operations: Operations, rows: list[TenantRow], *, early: bool) -> None:
    """Purge one after the other; what is left of one stops no other."""
    left: list[str] = []
    for row in rows:
        slug = row.tenant.slug
        if row.purged_at is not None:
            click.echo(f"{slug} is purged already.")
            continue
        try:
            operations.purge(slug, early=early)
        except TenantryError as error:
            left.append(str(error))
        else:
            click.echo(f"{slug} is purged; only its names and its audit trail remain.")
    if left:
        raise click.ClickException("\n".join(map(plain, left)))


def _confirm(verb: str, what: str, *, yes: bool) -> None:
    """Let a person on a terminal type what is to be destroyed; programs give --yes."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(f"Nothing was done: give --yes to {verb} {what}.")
    typed = click.prompt(f"Type `{what}` to {verb} it", default="", show_default=False)
    if typed.strip() != what:
        raise click.ClickException(f"Nothing was done: {plain(typed)!r} is not {what!r}.")


def _until(row: TenantRow) -> str:
    if row.purged_at is not None:
        return f" and was purged on {row.purged_at:%Y-%m-%d}"
    if row.is_due:
        return " and due to be purged"
    return f" and can be undeleted until {row.purge_date}" if row.purge_date else ""


def _echo_residual_data(operations: Operations, tenant: Tenant) -> None:
    for found in operations.find_residual_data(tenant):
        size = f", {_shown(found.size)}" if found.size else ""
        click.echo(f"  {plain(found.what)}{size}")


def _shown(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"
