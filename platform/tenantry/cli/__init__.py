"""The ``tenantry`` command: prints expected errors in one line, exits with 2 on wrong usage.

This module imports little: a command's own module is imported when the command runs. Bugs raise.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from tenantry.errors import TenantryError

COMMANDS = {
    "new": "Write a new project whose package is NAME.",
    "adopt": "Look at an app, and write the .env that serves it.",
    "init": "Create the data folder, the keys and the catalog.",
    "serve": "Serve the platform with uWSGI or another server until Ctrl-C.",
    "run": "Serve the platform for development, with reloader and debugger.",
    "work": "Run jobs until Ctrl-C or SIGTERM.",
    "reload": "Load new code into the running server, if the new code works.",
    "settings": "List every setting, with its default and its meaning.",
    "fleet": "Show and drain the nodes, and take over what a lost one had.",
    "status": "Show the state of the platform and its workers.",
    "metrics": "Print or serve the running workers' figures for Prometheus.",
    "migrate": "Migrate every tenant's database to the newest schema revision.",
    "migrations": "Write schema revisions from the models.",
    "doctor": "Check tenant isolation and this machine.",
    "flask": "Run a command of a tenant's own app.",
    "tenant": "Create, list and change tenants.",
    "backup": "Back up tenants, and list and verify backups.",
    "restore": "Restore one tenant from a backup, without changing another.",
    "host": "Add, prove, choose, remove and list custom hosts of tenants.",
    "certificates": "Get certificates for all verified domains that need one.",
    "front-page": "Show and change the front page, its look and the legal pages.",
    "mail": "Test the mail server, list mails and count bounces.",
    "job": "List, show, cancel and retry jobs.",
    "account": "Create, invite, list and sign out accounts of the platform.",
    "token": "Create, list and revoke tokens of the API.",
    "audit": "List and verify the audit trail.",
}
"""Each command's name, which is its module's and its attribute's too with a ``_``, and its summary."""


YOUNG_OBJECTS = 100_000
"""New objects after which the collector runs: more than a short command's imports make."""


class Program(click.Group):
    """Imports a command when it runs, and reports what it refuses in one line."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run as a program of its own: most of a command's time goes into imports.

        Collecting while modules are imported finds nothing, nor does it at the exit. Together that
        is a quarter of the time of `tenantry tenant list`.
        """
        gc.set_threshold(YOUNG_OBJECTS, 20, 20)
        atexit.register(gc.freeze)
        return super().__call__(*arguments, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{__name__}.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TenantryError as error:
            raise click.ClickException(str(error)) from error
        except Exception as error:
            from tenantry.cli.machine import explain_failure  # noqa: PLC0415 - it imports drivers

            sentence = explain_failure(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from error


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-A", "--app", metavar="FACTORY", help="The factory, instead of TENANTRY_FACTORY.")
@click.option("-v", "--verbose", is_flag=True, help="Show the log on stderr, with tracebacks.")
@click.version_option(package_name="tenantry", message="%(prog)s %(version)s")
def main(*, app: str | None, verbose: bool) -> None:
    """Host many Flask sites in one WSGI deployment.

    Settings are TENANTRY_* variables, or lines of the file .env; `tenantry settings` lists them.
    """
    if app is not None:
        if not app.strip():
            raise click.BadParameter("name a factory as `module:callable`", param_hint="'--app'")
        os.environ["TENANTRY_FACTORY"] = app  # the processes that a command starts follow
    os.umask(0o077)  # what commands make holds secrets: the catalog, the sites, the keys
    # An installed script has its own folder on the path, not this one, where the factory may be.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    elif not logging.root.handlers:
        # Without a handler Python prints warnings by itself, with their tracebacks.
        logging.root.addHandler(logging.NullHandler())
