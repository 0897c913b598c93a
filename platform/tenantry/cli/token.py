"""``tenantry token``: create, list and revoke tokens of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog.api_tokens import LONGEST_DAYS
from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.listing import json_option, paged, pages_of, show_rest
from tenantry.cli.output import echo_json, echo_json_array, echo_table, plain
from tenantry.errors import AccountNotFoundError
from tenantry.values.api_scopes import SCOPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.catalog import Account, ApiToken, Catalog


@click.group()
def token() -> None:
    """Create, list and revoke tokens of the API."""


@token.command()
@click.argument("email")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help=f"What it may do; repeat it for more. One of {', '.join(SCOPES)}.",
)
@click.option("--site", metavar="SLUG", help="Only for this site, which EMAIL owns.")
@click.option(
    "--days",
    type=click.IntRange(1, LONGEST_DAYS),
    default=90,
    show_default=True,
    help="Days after which it expires.",
)
@json_option
def create(
    email: str, name: str, *, scopes: Sequence[str], site: str | None, days: int, as_json: bool
) -> None:
    """Create a token NAME for EMAIL and print it, once.

    Without --site it is for the whole platform, and EMAIL must be an operator.
    """
    with ready_catalog() as catalog:
        account = _get_account(catalog, email)
        made, secret = catalog.api_tokens.create(
            account.id,
            name=name,
            scopes=scopes,
            days=days,
            tenant_id=catalog.tenants.get(site).id if site else None,
            by=actor(),
        )
        facts = _to_json(catalog, made)
    if as_json:
        echo_json(facts | {"token": secret})
        return
    click.echo(f"{secret}\n")
    click.echo(f"Keep it now: nothing can show it again. It expires on {made.expires_at:%Y-%m-%d}.")


@token.command("list")
@click.option("--account", "email", metavar="EMAIL", help="Only tokens of this account.")
@paged
def list_tokens(*, email: str | None, page: int, size: int, every: bool, as_json: bool) -> None:
    """List tokens, the newest first, without their secrets."""
    with ready_catalog() as catalog:
        account_id = _get_account(catalog, email).id if email else None
        parts = list(
            pages_of(
                lambda page, size: catalog.api_tokens.list(
                    account_id=account_id, page=page, size=size
                ),
                page=page,
                size=size,
                every=every,
            )
        )
        items = [_to_json(catalog, one) for part in parts for one in part.items]
    if as_json:
        echo_json_array(items)
        return
    header = ["Id", "Name", "Account", "Site", "Scopes", "Expires", "Last used"]
    echo_table(header, [_to_row(item) for item in items])
    show_rest(parts[-1], every=every)


@token.command()
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """Revoke the token ID: from the next request on it opens nothing."""
    with ready_catalog() as catalog:
        revoked = catalog.api_tokens.revoke(token_id, by=actor())
    click.echo(f"The token {plain(revoked.name)} is revoked.")


def _get_account(catalog: Catalog, email: str) -> Account:
    found = catalog.accounts.find(email)
    if found is None:
        raise AccountNotFoundError(email)
    return found


def _to_json(catalog: Catalog, found: ApiToken) -> dict[str, Any]:
    account = catalog.accounts.find_by_id(found.account_id)
    tenant = catalog.tenants.find_by_id(found.tenant_id) if found.tenant_id else None
    return {
        "id": found.id,
        "name": found.name,
        "account": account.email if account else None,
        "site": tenant.slug if tenant else None,
        "scopes": list(found.scopes),
        "created_at": found.created_at.isoformat(),
        "expires_at": found.expires_at.isoformat(),
        "used_at": found.used_at and found.used_at.isoformat(),
    }


def _to_row(item: dict[str, Any]) -> list[object]:
    return [
        item["id"],
        item["name"],
        item["account"],
        item["site"] or "",
        ", ".join(item["scopes"]),
        item["expires_at"][:10],
        (item["used_at"] or "never")[:16].replace("T", " "),
    ]
