"""``tenantry account``: accounts of operators, owners and staff of the platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.listing import paged, pages_of, show_rest
from tenantry.cli.operators import echo_invitation
from tenantry.cli.output import echo_json_array, echo_table, plain
from tenantry.errors import AccountNotFoundError
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tenantry.catalog import Account


@click.group()
def account() -> None:
    """Create, invite, list and sign out accounts of the platform."""


@account.command()
@click.argument("email")
@click.option("--name", default="", help="The person's name.")
@click.option("--operator", is_flag=True, help="May operate the whole platform.")
def create(email: str, *, name: str, operator: bool) -> None:
    """Create an account for EMAIL and print a one-time link to set its password."""
    with ready_catalog() as catalog:
        added = catalog.accounts.add(email, name=name, operator=operator, by=actor())
        echo_invitation(catalog, added, settings=get_settings())


@account.command()
@click.argument("email")
def link(email: str) -> None:
    """Print a new one-time link for EMAIL to set a password.

    Use it to replace a forgotten password. It ends the link before; the present password works until
    the new one is set.
    """
    with ready_catalog() as catalog:
        found = catalog.accounts.find(email)
        if found is None:
            raise AccountNotFoundError(email)
        echo_invitation(catalog, found, settings=get_settings())


@account.command()
@click.argument("email")
def invite(email: str) -> None:
    """Print a one-time link with which EMAIL signs up for a site, within 7 days.

    It works whatever `TENANTRY_SIGNUP` says.
    """
    settings = get_settings()
    with ready_catalog() as catalog:
        token = catalog.invitations.create(email, "signup", by=actor())
        click.echo(f"Give this link to {plain(email)}; it works once, within 7 days:")
        click.echo(f"{settings.accounts_url}signup/{token}")


@account.command("reset-second-factor")
@click.argument("email")
def reset_second_factor(email: str) -> None:
    """Remove the authenticator, passkeys and recovery codes of EMAIL, and end its sessions.

    Make sure first that the request comes from the account's holder.
    """
    with ready_catalog() as catalog:
        found = catalog.accounts.find(email)
        if found is None:
            raise AccountNotFoundError(email)
        catalog.second_factors.clear(found.id, by=actor())
        catalog.sessions.end_all(found.id, by=actor())
        click.echo(
            f"{plain(found.email)} signs in with the password alone until a new one is added."
        )


@account.command("sign-out")
@click.argument("email")
def sign_out(email: str) -> None:
    """End every session of EMAIL, on the platform and at its sites' backends.

    Its password stays; `tenantry account link` sets a new one.
    """
    with ready_catalog() as catalog:
        found = catalog.accounts.find(email)
        if found is None:
            raise AccountNotFoundError(email)
        catalog.sessions.end_all(found.id, by=actor())
        click.echo(f"{plain(found.email)} is signed out everywhere.")


@account.command("list")
@click.option(
    "--search",
    default="",
    metavar="TEXT",
    help="Words of an address or a name, or how they begin.",
)
@click.option("--operators", is_flag=True, help="Only operators.")
@paged
def list_accounts(
    *, search: str, operators: bool, page: int, size: int, every: bool, as_json: bool
) -> None:
    """List the accounts by address."""
    with ready_catalog() as catalog:
        pages = pages_of(
            lambda page, size: catalog.accounts.list(
                search=search, operators=operators, page=page, size=size
            ),
            page=page,
            size=size,
            every=every,
        )
        if as_json:
            echo_json_array(_to_json(item) for part in pages for item in part.items)
            return
        parts = list(pages)
    rows = [_to_row(item) for part in parts for item in part.items]
    echo_table(["E-mail", "Name", "Role", "Password"], rows)
    show_rest(parts[-1], every=every)


def _to_row(item: Account) -> list[object]:
    role = "operator" if item.operator else ""
    return [item.email, item.name, role, "set" if item.has_password else "not set yet"]


def _to_json(item: Account) -> dict[str, Any]:
    return {
        "id": item.id,
        "email": item.email,
        "name": item.name,
        "operator": item.operator,
        "has_password": item.has_password,
        "created_at": item.created_at.isoformat(),
    }
