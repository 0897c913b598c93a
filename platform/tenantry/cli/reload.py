"""``tenantry reload``: loads new code into a running server, if the new code works."""

from __future__ import annotations

import subprocess
import sys

import click

from tenantry.cli.output import plain
from tenantry.cli.preflight import WORKS
from tenantry.cli.serve import check_instances
from tenantry.errors import SettingsError
from tenantry.settings import PREFIX, get_settings

SECONDS = 120
"""Longer than the slowest start that an operator would accept."""


@click.command()
@click.option("--check", is_flag=True, help="Only check that the new code works.")
def reload(*, check: bool) -> None:
    """Load new code into the running server, if the new code works.

    A separate process first loads it and requests the front page and the backend. If that fails, the
    server keeps the old code. Otherwise it replaces its workers one after the other.
    """
    settings = get_settings()
    if (problem := find_problem()) is not None:
        raise click.ClickException(f"{problem} The old code keeps serving.")
    if check:
        click.echo("The new code works.")
        return
    check_instances(settings)
    try:
        settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        (settings.run_dir / "reload").touch()
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
        raise SettingsError(f"{PREFIX}DATA_DIR", str(settings.data_dir), problem) from error
    click.echo("The new code works; the workers take it one after the other.")


def find_problem() -> str | None:
    """Return why the code that is on the disk now cannot serve, in a sentence."""
    # A process of its own: this one may have loaded the old code, and must survive the new one.
    command = [sys.executable, "-m", "tenantry.cli.preflight"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command, capture_output=True, timeout=SECONDS, check=False, encoding="utf-8"
        )
    except subprocess.TimeoutExpired:
        return f"The new code did not load and answer within {SECONDS} s."
    verdict = done.stdout.strip()
    if verdict == WORKS:
        return None
    click.echo(done.stderr.strip(), err=True)  # the traceback is what its author needs
    reason = verdict or f"the process ended with exit code {done.returncode}"
    return f"The new code does not work: {plain(reason).removesuffix('.')}."
