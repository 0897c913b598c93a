"""``tenantry tenant owner``: shows and changes the owners of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.catalog import canonical_email
from tenantry.cli.context import dry_run_option, ready_operations
from tenantry.cli.listing import json_option
from tenantry.cli.operators import echo_way_in
from tenantry.cli.output import echo_json, plain

if TYPE_CHECKING:
    from tenantry.lifecycle.owners import Change


@click.command()
@click.argument("slug")
@click.option(
    "--add", metavar="EMAIL", help="Make this account an owner, too; creates it if there is none."
)
@click.option("--remove", metavar="EMAIL", help="Remove this owner; at least one stays.")
@click.option("--transfer", metavar="EMAIL", help="Make this account the only owner.")
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
    """Show or change the owners of the tenant SLUG.

    An owner manages the site in its backend, and is signed in on the site itself as its owner.
    """
    given: dict[Change, str | None] = {"add": add, "remove": remove, "transfer": transfer}
    chosen = [(change, email) for change, email in given.items() if email is not None]
    if len(chosen) > 1:
        raise click.UsageError("Give one of --add, --remove and --transfer.")
    with ready_operations() as operations:
        before = after = operations.catalog.tenants.get(slug).owners
        if chosen:
            after = operations.preview_owners(slug, *chosen[0])
        changed = set(before) != set(after)
        if changed and not dry_run:
            after = operations.change_owners(slug, *chosen[0])
        if as_json:
            facts = {"slug": slug, "owners": list(after), "changed": changed, "dry_run": dry_run}
            echo_json(facts)
        elif not chosen:
            click.echo(_list(before))
        elif not changed:
            click.echo(_already(slug, *chosen[0]))
        elif dry_run:
            click.echo(f"Would make these the owners of {slug}: {_list(after)}.")
        else:
            click.echo(f"Owners of {slug}: {_list(after)}.")
            if remove is None:
                echo_way_in(operations.catalog, chosen[0][1])


def _already(slug: str, change: Change, email: str) -> str:
    shown = plain(canonical_email(email))
    if change == "remove":
        return f"{shown} does not own {slug}."
    return f"{shown} {'alone ' if change == 'transfer' else ''}owns {slug} already."


def _list(owners: tuple[str, ...]) -> str:
    return plain(", ".join(owners)) or "nobody"
