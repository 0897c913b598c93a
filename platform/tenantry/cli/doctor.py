"""``tenantry doctor``: checks tenant isolation, and the server on this machine."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import ready_catalog
from tenantry.cli.instances import check_release
from tenantry.cli.launch import find_ini
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_json, plain
from tenantry.doctor import (
    Finding,
    Severity,
    allowing,
    examine,
    examine_audit,
    examine_homes,
    examine_machine,
    examine_mail,
    examine_moves,
    examine_placements,
    examine_plans,
    examine_settings,
    is_safe,
)
from tenantry.doctor.examine import SECONDS
from tenantry.doctor.findings import fine, unsafe, warning
from tenantry.doctor.signing_in import Login
from tenantry.doctor.source import find_package, lint
from tenantry.errors import (
    CatalogNotReadyError,
    CatalogUnavailableError,
    FactoryError,
    SettingsError,
)
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tenantry.flask.verdicts import Verdict

PARTS = ("factory", "machine")
ORDER = {severity: number for number, severity in enumerate(Severity)}
STYLES = {Severity.UNSAFE: "bold red", Severity.WARNING: "yellow", Severity.OK: "green"}
INDENT = 9


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--source", is_flag=True, help="Read the source only; run nothing.")
@click.option("--only", type=click.Choice(PARTS), help="Check this part only.")
@click.option(
    "--allow",
    "allowed",
    metavar="NAME",
    multiple=True,
    help="Accept the findings about NAME; repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=SECONDS,
    show_default=True,
    help="How long the check of the factory may take.",
)
@click.option(
    "--login",
    default="",
    metavar="TEXT",
    help="How a visitor signs in: '/login email=ada@example.com password=secret'.",
)
@json_option
def doctor(
    *,
    paths: tuple[Path, ...],
    source: bool,
    only: str | None,
    allowed: tuple[str, ...],
    seconds: float,
    login: str,
    as_json: bool,
) -> None:
    """Check tenant isolation and this machine.

    Builds two temporary tenants with the configured factory, visits every page, sends every form, and
    reports shared state and leaked instances. Exits with 1 if anything is unsafe. With --source or
    PATHS it only reads source: that of the configured factory, or the files and folders that you name.
    """
    if source or paths:
        if only:
            raise click.UsageError("--only does not go with --source or PATHS.")
        found = lint(paths or [find_package(get_settings().factory)])
    else:
        found = gather(only=only, seconds=seconds, login=login)
    found = allowing(found, allowed)
    found.sort(key=lambda finding: ORDER[finding.severity])
    safe = is_safe(found)
    if as_json:
        echo_json({"safe": safe, "findings": [finding.to_json() for finding in found]})
    else:
        echo_findings(found)
    if not safe:
        number = sum(finding.severity is Severity.UNSAFE for finding in found)
        raise click.ClickException(f"{number} of {len(found)} findings are unsafe.")


def gather(*, only: str | None, seconds: float, login: str = "") -> list[Finding]:
    """Return all that is found, in no order.

    :raises LoginError: *login* is not a path with values.
    """
    if login:
        Login.parse(login)
    try:
        settings = get_settings()
    except SettingsError as error:
        return [
            unsafe("settings", error.variable, str(error), "`tenantry settings` lists them all.")
        ]
    found: list[Finding] = []
    if only != "machine":
        with stoppable(), telling() as tell:
            found += examine(
                settings.factory,
                os.environ,
                seconds=seconds,
                login=login,
                tell=tell,
                log=echo_log,
            )
            if settings.instances == "auto":
                verdict = check_release(settings, seconds=seconds, tell=tell, log=echo_log)
                found.append(finding_of(verdict, settings.factory))
        found += read_source(settings.factory)
    if only != "factory":
        debug = os.environ.get("FLASK_DEBUG", "").lower() not in {"", "0", "false", "no"}
        found += examine_settings(settings, debug=debug)
        found += examine_machine(settings, ini=find_ini())
        found += examine_placements(settings)
        found += examine_mail(settings)
        # Where nothing is prepared yet, as on a build server, nobody lives anywhere.
        with (
            suppress(CatalogNotReadyError, CatalogUnavailableError),
            ready_catalog(settings) as catalog,
        ):
            found += examine_homes(settings, catalog.tenants.count_by_placement())
            found += examine_plans(settings, catalog.tenants.count_by_plan())
            found += examine_audit(catalog.audit.verify())
            found += examine_moves(settings, catalog.relocations.list())
    return found


def read_source(factory: str) -> list[Finding]:
    """Return what the factory's source makes likely: warnings, since the visits tell what is so."""
    try:
        found = lint([find_package(factory)])
    except FactoryError:
        return []  # the examination has told
    return [
        replace(finding, severity=Severity.WARNING)
        if finding.severity is Severity.UNSAFE
        else finding
        for finding in found
    ]


def finding_of(verdict: Verdict, factory: str) -> Finding:
    """Return what ``TENANTRY_INSTANCES=auto`` makes of a factory."""
    if verdict.flyweight:
        return fine("instances", factory, "Its apps are flyweights: nothing unsafe was found.")
    sentence = f"Its apps are full instances. As flyweights: {verdict.reason}"
    return warning("instances", factory, sentence, "docs/factories.md says what can be shared.")


@contextmanager
def stoppable() -> Iterator[None]:
    """End the block as by Ctrl-C when a build server stops this: what it made goes with it."""

    def stop(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def telling() -> Iterator[Callable[[str], None]]:
    """Yield what to call with each step: a line that changes on a terminal, nothing in a log."""
    if not sys.stderr.isatty():
        yield lambda _stage: None
        return
    from rich.console import Console  # noqa: PLC0415 - takes longer than most commands
    from rich.text import Text  # noqa: PLC0415

    with Console(stderr=True).status("Starting") as status:
        yield lambda stage: status.update(Text(plain(stage[:1].upper() + stage[1:])))


def echo_log(text: str) -> None:
    """Show what the examined code printed, if the log is wanted."""
    context = click.get_current_context(silent=True)
    if context is not None and context.find_root().params.get("verbose"):
        click.echo(text, err=True, nl=False)


def echo_findings(found: Sequence[Finding]) -> None:
    """Print findings: wrapped on a terminal, or a paragraph each into a pipe."""
    if sys.stdout.isatty():
        _echo_rich(found)
        return
    for finding in found:
        click.echo(f"{finding.severity:<{INDENT}}{finding.check}: {plain(finding.subject)}")
        for line in (finding.sentence, finding.remedy):
            if line:
                click.echo(f"{'':<{INDENT}}{plain(line)}")


def _echo_rich(found: Sequence[Finding]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.padding import Padding  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    for finding in found:
        head = Text(f"{finding.severity:<{INDENT}}", STYLES[finding.severity])
        head.append(f"{finding.check}: ", "default").append(plain(finding.subject), "default bold")
        console.print(head, overflow="fold")
        for line, style in ((finding.sentence, "default"), (finding.remedy, "cyan")):
            if line:
                console.print(Padding(Text(plain(line), style), (0, 0, 0, INDENT)))
