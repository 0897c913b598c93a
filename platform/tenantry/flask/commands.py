"""The commands that a tenant's app registers with Flask's command line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from click.testing import CliRunner
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from tenantry.errors import ProvisionError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def commands_of(app: Flask) -> tuple[FlaskGroup, ScriptInfo]:
    """Return the program that has all of an app's commands, and the object to call it with.

    It is Flask's own, and not ``app.cli``: it runs each command in the app's context.
    """
    program = FlaskGroup(add_version_option=False, set_debug_flag=False, load_dotenv=False)
    script = ScriptInfo(create_app=lambda: app, set_debug_flag=False, load_dotenv_defaults=False)
    return program, script


def run_command(app: WSGIApplication, line: str, *, slug: str) -> None:
    """Run a command for a new tenant.

    :param line: The command with its arguments, as in a shell.
    :raises ProvisionError: The app has no such command, or it failed.
    """
    if not isinstance(app, Flask):
        raise ProvisionError(slug, f"TENANTRY_PROVISION={line!r} needs a Flask app")
    program, script = commands_of(app)
    result = CliRunner().invoke(program, shlex.split(line), obj=script, prog_name="flask")
    if not result.exit_code:
        return
    if isinstance(result.exception, SystemExit) or result.exception is None:
        said = result.output.strip().rpartition("\n")[2]
    else:
        said = f"{type(result.exception).__name__}: {result.exception}".partition("\n")[0]
    problem = f"TENANTRY_PROVISION={line!r} ended with {result.exit_code}: {said}"
    raise ProvisionError(slug, problem) from result.exception
