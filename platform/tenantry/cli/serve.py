"""``tenantry serve``: the shipped uwsgi.ini with a look before and the addresses after."""

from __future__ import annotations

import errno
import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import ready_catalog
from tenantry.cli.health import is_complete
from tenantry.cli.operators import echo_invitation, find_operator
from tenantry.cli.output import plain
from tenantry.cli.server import Server
from tenantry.databases.placements import find_homeless
from tenantry.disk import is_file
from tenantry.errors import SettingsError
from tenantry.secrets import keys_of
from tenantry.settings import PREFIX, get_settings
from tenantry.shipped import find_shipped
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.settings import Settings

START_SECONDS = 60
SHOWN_SITES = 5
LISTEN = 128
"""Connections that wait to be accepted, at most; uwsgi.ini asks for as many."""

SOMAXCONN = Path("/proc/sys/net/core/somaxconn")

SERVER_SETTINGS = (
    "application",
    "data_dir",
    "bind",
    "port",
    "socket",
    "processes",
    "threads",
    "limit_body_mb",
    "pool_memory_mb",
)
"""Settings that uwsgi.ini reads; it knows the environment, not the file .env."""


@click.command()
def serve() -> None:
    """Serve the platform with uWSGI until Ctrl-C.

    It takes uwsgi.ini of the working directory, or else the one that comes with Tenantry. Ctrl-C
    and SIGTERM let the last requests finish; a second one does not.
    """
    settings = get_settings()
    keys_of(settings.secret_keys)
    with ready_catalog(settings) as catalog:
        for sentence in find_homeless(settings, catalog.count_placements()):
            click.echo(f"Warning: {sentence}", err=True)
    if not settings.socket:
        check_port(settings)
    command = [str(find_uwsgi()), *listen_options(), "--ini", str(find_ini()), "--no-orphans"]
    server = Server(command, environment=environment_of(settings))
    server.start()
    if server.wait_until(partial(is_complete, settings), seconds=START_SECONDS):
        with ready_catalog(settings) as catalog:
            announce(catalog, settings=settings)
    code = server.wait()
    if not server.is_stopping:
        raise click.ClickException(f"The server ended by itself, with exit code {code}.")
    click.echo("Stopped.")


def check_port(settings: Settings) -> None:
    """Make sure that nothing listens where the server will.

    :raises SettingsError: Something does, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            raise _translate(error, settings) from error


def listen_options(somaxconn: Path = SOMAXCONN) -> list[str]:
    """Return what makes uWSGI ask for a shorter queue where the kernel allows no longer one."""
    try:
        allowed = int(somaxconn.read_text())
    except (OSError, ValueError):
        return []
    if allowed >= LISTEN:
        return []
    click.echo(
        f"Warning: the kernel lets {allowed} connections wait (net.core.somaxconn), not {LISTEN}.",
        err=True,
    )
    return ["--set-placeholder", f"listen_queue={allowed}"]


def find_ini() -> Path:
    """Return the operator's own uwsgi.ini, or the one that comes with Tenantry."""
    own = Path("uwsgi.ini")
    return own if is_file(own) else find_shipped("uwsgi.ini", "uwsgi.ini")


def find_uwsgi() -> Path:
    """Return the uWSGI that was installed beside this Python."""
    path = Path(sys.executable).with_name("uwsgi")
    if not is_file(path):
        raise click.ClickException(f"There is no {path}; `pip install pyuwsgi` puts it there.")
    return path


def environment_of(settings: Settings) -> dict[str, str]:
    """Return this process's environment, with what uwsgi.ini reads made explicit."""
    values = {name: str(getattr(settings, name)) for name in SERVER_SETTINGS}
    explicit = {f"{PREFIX}{name}".upper(): value for name, value in values.items() if value}
    return {**os.environ, **explicit}


def announce(catalog: Catalog, *, settings: Settings) -> None:
    """Say where everything is, and how the first operator gets in."""
    page = catalog.list_tenants(state=TenantState.ACTIVE, size=SHOWN_SITES)
    click.echo("\nTenantry is running; Ctrl-C stops it.\n")
    click.echo(f"  Front page  {settings.apex_url}")
    label = "Sites"
    for row in page.items:
        click.echo(f"  {label:<10}  {settings.site_url(row.tenant)}  {plain(row.tenant.name)}")
        label = ""
    if page.total > len(page.items):
        rest = page.total - len(page.items)
        click.echo(f"  {'':<10}  and {rest} more: tenantry tenant list")
    click.echo(f"  Backend     {settings.backend_url}\n")
    if not catalog.has_operator():
        click.echo("Nobody operates the platform yet.")
        echo_invitation(catalog, find_operator(catalog), settings=settings)


def _translate(error: OSError, settings: Settings) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        other = settings.port + 1 if settings.port < 65535 else 8000  # noqa: PLR2004 - the last port
        problem = f"another program listens there; choose another one, as `make run PORT={other}`"
    elif error.errno == errno.EACCES:
        problem = "ports below 1024 are for the administrator; choose a higher one"
    else:
        problem = f"{settings.bind} cannot be bound ({error.strerror})"
        return SettingsError(f"{PREFIX}BIND", settings.bind, problem)
    return SettingsError(f"{PREFIX}PORT", str(settings.port), problem)
