"""``tenantry tenant owner``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.catalog import canonical_email
from tenantry.cli.context import dry_run_option, ready_operations
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_json, plain

if TYPE_CHECKING:
    from tenantry.catalog import Catalog


@click.command()
@click.argument("slug")
@click.option("--add", metavar="EMAIL", help="Let this account own it, too; made if there is none.")
@click.option("--remove", metavar="EMAIL", help="Take it from this owner; at least one stays.")
@click.option("--transfer", metavar="EMAIL", help="Let this account own it, and nobody else.")
@dry_run_option
@json_option
def owner(
    slug: str,
    *,
    add: str | None,
    remove: str | None,
    transfer: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Show or change who owns the tenant SLUG.

    An owner manages the site in its backend and is signed in at the site itself as its owner.
    """
    given = [email for email in (add, remove, transfer) if email is not None]
    if len(given) > 1:
        raise click.UsageError("Give one of --add, --remove and --transfer.")
    email = canonical_email(given[0]) if given else ""
    with ready_operations() as operations:
        before, after = operations.preview_owners(slug, add=add, remove=remove, transfer=transfer)
        changed = set(before) != set(after)
        if changed and not dry_run:
            after = operations.change_owners(slug, add=add, remove=remove, transfer=transfer).owners
        if as_json:
            facts = {"slug": slug, "owners": list(after), "changed": changed, "dry_run": dry_run}
            echo_json(facts)
        elif not given:
            click.echo(_list(before))
        elif not changed:
            click.echo(_already(slug, email, adds=remove is None, alone=transfer is not None))
        elif dry_run:
            click.echo(f"Would make these the owners of {slug}: {_list(after)}.")
        else:
            click.echo(f"Owners of {slug}: {_list(after)}.")
            _tell_way_in(operations.catalog, email if remove is None else "")


def _already(slug: str, email: str, *, adds: bool, alone: bool) -> str:
    if not adds:
        return f"{plain(email)} does not own {slug}."
    return f"{plain(email)} {'alone ' if alone else ''}owns {slug} already."


def _list(owners: tuple[str, ...]) -> str:
    return plain(", ".join(owners)) or "nobody"


def _tell_way_in(catalog: Catalog, email: str) -> None:
    account = catalog.accounts.find(email) if email else None
    if account is not None and not account.has_password:
        shown = plain(account.email)
        click.echo(f"{shown} has no password yet; `tenantry account link {shown}` makes a link.")
