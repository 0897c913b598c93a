"""Helpers of all commands: an open catalog, the actor of the audit trail, operations, --dry-run."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import make_url

from tenantry.catalog import Actor, open_catalog, schema, setup_lifetime
from tenantry.catalog.engine import shown
from tenantry.catalog.joining import join_fleet
from tenantry.cli.output import plain
from tenantry.errors import CatalogNotReadyError
from tenantry.files.disk import is_file
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.catalog import Account, Catalog
    from tenantry.lifecycle import Operations
    from tenantry.settings import Settings

dry_run_option = click.option("--dry-run", is_flag=True, help="Only show what would happen.")


def actor() -> Actor:
    """Return who runs this command: the user that the system knows, not one that a variable says."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # usual in containers
        name = f"uid {uid}"
    return Actor("cli", name)


@contextmanager
def reaching_catalog(settings: Settings) -> Iterator[Catalog]:
    """Open the catalog, whatever its state, and close it at the end.

    :raises CatalogUnavailableError: Its place cannot be used.
    """
    catalog = open_catalog(settings)
    try:
        yield catalog
    finally:
        catalog.close()


@contextmanager
def ready_catalog(settings: Settings | None = None) -> Iterator[Catalog]:
    """Open the catalog, which ``tenantry init`` has prepared.

    :raises CatalogNotReadyError: It has not. Nothing is made by asking.
    :raises NodeKeysError: Other nodes have other secret keys.
    """
    settings = settings or get_settings()
    url = make_url(settings.catalog_url)
    if url.get_backend_name() == "sqlite" and not is_file(Path(url.database or "")):
        raise CatalogNotReadyError(shown(settings.catalog_url), None, schema.head())
    with reaching_catalog(settings) as catalog:
        catalog.check_schema()
        join_fleet(catalog, settings)
        yield catalog


@contextmanager
def ready_operations(settings: Settings | None = None) -> Iterator[Operations]:
    """Open the catalog like :func:`ready_catalog`, and yield what may be done to its tenants."""
    settings = settings or get_settings()
    with ready_catalog(settings) as catalog:
        yield operations_on(catalog, settings)


def operations_on(catalog: Catalog, settings: Settings) -> Operations:
    """Return what may be done to the tenants of a catalog, in the name of this command's user."""
    from tenantry.lifecycle import Operations  # noqa: PLC0415 - it imports drivers, listings do not

    return Operations(catalog, settings=settings, actor=actor())


def do(
    operations: Operations, name: str, slug: str, *, dry_run: bool, hint: str = "", **arguments: Any
) -> None:
    """Do an operation that needs no job, or print what it would do.

    :param hint: What else is worth saying when it is done.
    """
    from tenantry.lifecycle.offered import OPERATIONS  # noqa: PLC0415 - it imports drivers

    prepared = OPERATIONS[name].prepare(operations, slug, **arguments)
    if prepared.is_needed and not dry_run:
        prepared.run()
        click.echo(plain(f"{prepared.done} {hint}".rstrip()))
    else:
        for sentence in prepared.would:
            click.echo(plain(sentence))


def setup_link(catalog: Catalog, account: Account, *, settings: Settings) -> str:
    """Return a new one-use link with which the account's owner sets a password."""
    token = catalog.links.create(
        "setup", account_id=account.id, lifetime=setup_lifetime(account), by=actor()
    )
    return f"{settings.accounts_url}password/{token}"
