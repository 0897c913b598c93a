"""``tenantry run``: Werkzeug's development server, for this machine only."""

from __future__ import annotations

import ipaddress
import os
from importlib import import_module
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import click
from werkzeug.serving import is_running_from_reloader, run_simple

from tenantry.cli.context import ready_catalog
from tenantry.cli.serve import check_port
from tenantry.errors import SettingsError
from tenantry.security.keys import keys_of
from tenantry.settings import PREFIX, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help=f"Instead of {PREFIX}PORT.")
@click.option("--no-reload", is_flag=True, help="Do not watch the code.")
@click.option("--no-debugger", is_flag=True, help="Do not answer errors with the debugger.")
def run(*, port: int | None, no_reload: bool, no_debugger: bool) -> None:
    """Serve the platform for development, with reloader and debugger.

    Anyone who reaches the debugger can run any code. It therefore serves only this machine, and never
    runs under uWSGI; use `tenantry serve` for everything else.
    """
    if port is not None:
        os.environ[f"{PREFIX}PORT"] = str(port)  # links follow, here and after each reload
    settings = get_settings()
    refuse_to_be_reached(settings.address)
    keys_of(settings.secret_keys)
    if not is_running_from_reloader():  # else the port is its parent's, who has looked
        check_port(settings)
        with ready_catalog(settings):
            click.echo(f"Development server: {settings.apex_url}", err=True)
    if not no_debugger:
        os.environ["FLASK_DEBUG"] = "1"  # Flask apps then let exceptions through to the debugger
    run_simple(
        settings.address,
        settings.port,
        application,
        use_reloader=not no_reload,
        use_debugger=not no_debugger,
        threaded=True,
    )


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Pass the request on. Importing late shows a mistake in the browser and lives on to its fix."""
    app: WSGIApplication = resolve_name(get_settings().application)
    return app(environ, start_response)


def refuse_to_be_reached(address: str) -> None:
    """Make sure that only this machine reaches the debugger.

    :raises SettingsError: Others could.
    """
    if _is_importable("uwsgi"):  # the module is there inside uWSGI, and nowhere else
        raise click.ClickException("The development server does not run under uWSGI.")
    if not _is_loopback(address):
        problem = (
            "anyone who reaches the debugger can run any code; bind 127.0.0.1, or use "
            "`tenantry serve`"
        )
        raise SettingsError(f"{PREFIX}BIND", address, problem)


def _is_loopback(address: str) -> bool:
    try:
        return address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_importable(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True
