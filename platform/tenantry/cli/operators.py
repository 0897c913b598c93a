"""The platform's first operator, and the link that sets a password. No password is ever printed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from tenantry.catalog import setup_lifetime
from tenantry.cli.context import actor, setup_link
from tenantry.cli.output import plain
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from tenantry.catalog import Account, Catalog
    from tenantry.settings import Settings

DEFAULT_OPERATOR = "operator@localhost"


def find_operator(catalog: Catalog, email: str | None = None) -> Account:
    """Return the account of the operator to be, adding it if need be.

    :param email: Whose; by default that of an operator who has been added already.
    """
    if email is None and (waiting := catalog.accounts.list(operators=True, size=1).items):
        return waiting[0]
    wanted = email or DEFAULT_OPERATOR
    account = catalog.accounts.find(wanted)
    if account is None:
        return catalog.accounts.add(wanted, operator=True, by=actor())
    if not account.operator:
        problem = f"{wanted} has an account without the operator's role"
        raise click.ClickException(f"{problem}; name another one with --operator.")
    return account


def echo_invitation(catalog: Catalog, account: Account, *, settings: Settings) -> None:
    """Print a new one-time link with which *account* gets its password."""
    link = setup_link(catalog, account, settings=settings)
    hours = counted(setup_lifetime(account) // timedelta(hours=1), "hour")
    click.echo(f"{plain(account.email)} sets a password here, once, within {hours}:\n\n  {link}\n")


def echo_way_in(catalog: Catalog, email: str) -> None:
    """Say how *email* gets a password, if it has an account and none."""
    account = catalog.accounts.find(email)
    if account is not None and not account.has_password:
        shown = plain(account.email)
        click.echo(f"{shown} has no password yet; `tenantry account link {shown}` makes a link.")
