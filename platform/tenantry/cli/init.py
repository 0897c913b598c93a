"""``tenantry init``: creates the data folder, keys and catalog; safe to repeat."""

from __future__ import annotations

import secrets
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from alembic.util import CommandError

from tenantry.catalog.engine import shown
from tenantry.catalog.fleet_locks import LockHeldError, advisory_lock
from tenantry.catalog.joining import find_node_id, join_fleet
from tenantry.cli.context import operations_on, reaching_catalog
from tenantry.cli.demonstration import add_demonstrations
from tenantry.cli.operators import DEFAULT_OPERATOR, echo_invitation, find_operator
from tenantry.cli.output import echo_facts
from tenantry.errors import CatalogNotReadyError, SettingsError
from tenantry.files.atomic import write_atomically
from tenantry.files.disk import exists
from tenantry.files.locks import lock_file
from tenantry.settings import PREFIX, get_settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings

INIT_SECONDS = 120
"""How long one node waits for another one's start: an upgrade of the catalog takes less."""


@click.command()
@click.option("--demo", is_flag=True, help="Add demonstration sites, which the operator owns.")
@click.option(
    "--operator",
    metavar="EMAIL",
    help=f"The first operator, while there is none.  [default: {DEFAULT_OPERATOR}]",
)
@click.option(
    "--accept-keys", is_flag=True, help="Let this node's secret keys be those of all nodes."
)
@click.option("--no-link", is_flag=True, help="Make no set-up link; `tenantry serve` makes one.")
def init(*, demo: bool, operator: str | None, accept_keys: bool, no_link: bool) -> None:
    """Create the data folder, the keys and the catalog.

    Keeps what exists. While no operator has a password, it prints a one-time link to set one; each new
    link ends the one before.
    """
    keys = prepare_folders(load_settings())
    settings = get_settings()
    with _alone(settings), _first_of_nodes(settings), reaching_catalog(settings) as catalog:
        revision = bring_up_to_date(catalog)
        join_fleet(catalog, settings, accept_keys=accept_keys)
        echo_facts(
            {
                "Data folder": settings.data_dir,
                "Node": find_node_id(settings),
                "Secret keys": keys,
                "Catalog": f"{shown(settings.catalog_url)}, revision {revision}",
            }
        )
        if demo:
            owner = find_operator(catalog, None if catalog.accounts.has_operator() else operator)
            add_demonstrations(operations_on(catalog, settings), owner=owner.email)
        catalog.audit.follow_anchor()  # a platform from before there were anchors gets one
        if not catalog.accounts.has_operator():
            account = find_operator(catalog, operator)
            if not no_link:
                click.echo("\nThe platform has no operator yet.")
                echo_invitation(catalog, account, settings=settings)


def prepare_folders(settings: Settings) -> str:
    """Make the data folder and the keys; return where the keys are.

    :raises SettingsError: The data folder cannot be made or written.
    """
    file = settings.secret_keys_file
    try:
        for folder in (settings.data_dir, settings.run_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # uWSGI watches it: see `tenantry reload`. Touching one that is there would reload a server.
        reload_file = settings.run_dir / "reload"
        if not exists(reload_file):
            reload_file.touch()
        if not settings.secret_keys:
            with _alone(settings):
                make_keys(file)
            return f"{file}, new: keep a copy in a safe place"
        for path in (settings.data_dir, file):
            _warn_if_open(path)
        return str(file) if exists(file) else f"{PREFIX}SECRET_KEYS"
    except OSError as error:
        problem = f"{error.filename or settings.data_dir}: {error.strerror}"
        raise SettingsError(f"{PREFIX}DATA_DIR", str(settings.data_dir), problem) from error


def _alone(settings: Settings) -> AbstractContextManager[object]:
    """Let several containers start on one folder: each ``tenantry init`` waits for the other."""
    return lock_file(settings.run_dir / "init.lock", wait=None)


@contextmanager
def _first_of_nodes(settings: Settings) -> Iterator[None]:
    """Let nodes begin at once: each ``tenantry init`` waits for the others' to end."""
    if not settings.is_fleet:
        yield
        return
    try:
        with advisory_lock("init", settings=settings, wait=INIT_SECONDS):
            yield
    except LockHeldError as error:
        problem = f"Another node's `tenantry init` has been at work for {INIT_SECONDS} s"
        raise click.ClickException(f"{problem}; end it there, or wait.") from error


def make_keys(path: Path) -> None:
    """Put one new key into the file *path*: whole or not at all. The caller has the lock."""
    if exists(path):
        return  # another `tenantry init` was faster: its keys are the keys
    write_atomically(path, secrets.token_hex(32) + "\n")


def bring_up_to_date(catalog: Catalog) -> str:
    """Bring the catalog to this release's revision, and return it."""
    try:
        return catalog.check_schema()
    except CatalogNotReadyError:
        pass
    try:
        catalog.upgrade()
    except CommandError as error:
        problem = f"The catalog belongs to a newer release of Tenantry ({error})"
        raise click.ClickException(problem) from error
    return catalog.check_schema()


def _warn_if_open(path: Path) -> None:
    if exists(path) and stat.S_IMODE(path.stat().st_mode) & 0o007:
        click.echo(
            f"Warning: every user of this machine can open {path}; run `chmod o= {path}`.", err=True
        )
