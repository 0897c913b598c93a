"""``tenantry serve``: checks settings and port, starts a server, and prints the addresses."""

from __future__ import annotations

import errno
import socket
from functools import partial
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import ready_catalog
from tenantry.cli.health import is_complete
from tenantry.cli.instances import check_release, is_checked
from tenantry.cli.launch import SERVERS, command_of, environment_of, job_worker_command
from tenantry.cli.operators import echo_invitation, find_operator
from tenantry.cli.output import plain
from tenantry.cli.server import Server
from tenantry.databases.placements import find_orphaned_placements
from tenantry.errors import SettingsError
from tenantry.security.keys import keys_of
from tenantry.settings import PREFIX, get_settings
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.settings import Settings

START_SECONDS = 60
SHOWN_SITES = 5


@click.command()
@click.option(
    "--server",
    type=click.Choice(SERVERS),
    default="uwsgi",
    show_default=True,
    help="Which server; install the others with tenantry[gunicorn] and tenantry[granian].",
)
def serve(*, server: str) -> None:
    """Serve the platform with uWSGI or another server until Ctrl-C.

    uWSGI uses the uwsgi.ini of the working directory, or the one in the package. Ctrl-C and SIGTERM let
    the in-flight requests finish; a second one stops at once.
    """
    settings = get_settings()
    keys_of(settings.secret_keys)
    with ready_catalog(settings) as catalog:
        lost = catalog.tenants.count_elsewhere({one.name for one in settings.databases})
        for sentence in find_orphaned_placements(settings, lost):
            click.echo(f"Warning: {sentence}", err=True)
    if not settings.socket:
        check_port(settings)
    check_instances(settings)
    check_internal_port(settings)
    process = Server(
        command_of(server, settings),
        environment=environment_of(settings),
        # uWSGI watches it by itself, and starts the job worker: see uwsgi.ini.
        reload_file=None if server == "uwsgi" else settings.run_dir / "reload",
        job_worker=() if server == "uwsgi" else job_worker_command(),
    )
    process.start()
    if process.wait_until(partial(is_complete, settings, server), seconds=START_SECONDS):
        with ready_catalog(settings) as catalog:
            announce(catalog, settings=settings)
    code = process.wait()
    if not process.is_stopping:
        raise click.ClickException(f"The server ended with exit code {code}.")
    click.echo("Stopped.")


def check_instances(settings: Settings) -> None:
    """Find out once for each release whether tenants' apps can be flyweights."""
    if is_checked(settings):
        return
    click.echo("Checking whether tenants can share one app ...")
    verdict = check_release(settings)
    if not verdict.flyweight:
        click.echo(f"Each tenant gets an app of its own. {plain(verdict.reason)}")


def check_port(settings: Settings) -> None:
    """Make sure that nothing listens where the server will.

    :raises SettingsError: Something does, or the address is not this machine's.
    """
    try:
        try_to_bind(settings.address, settings.port)
    except OSError as error:
        raise _translate(error, settings) from error


def check_internal_port(settings: Settings) -> None:
    """Do the same for the internal listener, if there is one."""
    if settings.internal_address is None:
        return
    try:
        try_to_bind(*settings.internal_address)
    except OSError as error:
        problem = f"it cannot be bound ({error.strerror}); choose another port"
        name = f"{PREFIX}INTERNAL_LISTEN"
        raise SettingsError(name, settings.internal_listen, problem) from error


def try_to_bind(address: str, port: int) -> None:
    """Bind an address for a moment.

    :raises OSError: Something listens there, or it is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))


def announce(catalog: Catalog, *, settings: Settings) -> None:
    """Say where everything is, and how the first operator gets in."""
    page = catalog.tenants.list(state=TenantState.ACTIVE, size=SHOWN_SITES)
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
    if not catalog.accounts.has_operator():
        click.echo("The platform has no operator yet.")
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
