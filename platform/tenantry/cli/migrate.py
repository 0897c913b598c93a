"""``tenantry migrate``: migrates every tenant's database to the newest schema revision."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog import RunState, StepState
from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_facts, echo_json, echo_table, plain, progress
from tenantry.databases.placements import tenant_database
from tenantry.errors import UnknownSchemaError
from tenantry.flask.factories import load_factory
from tenantry.migrations import Options, ResumeOptions, load_history, render
from tenantry.migrations import migrate as migrate_tenants
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.catalog import Catalog, Run
    from tenantry.migrations import History

SHOWN = 20
"""Failures that are listed."""


@click.group(invoke_without_command=True)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    metavar="N",
    help="How many databases to migrate at once.",
)
@click.option(
    "--canary",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Migrate this many first; stop if one fails.",
)
@click.option(
    "--max-failures",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Start no more after this many failures.  [default: no limit]",
)
@click.option("--resume", is_flag=True, help="Continue the last run, which did not end.")
@click.option("--retry-failed", is_flag=True, help="Repeat the failed databases of the last run.")
@click.option("--only", multiple=True, metavar="SLUG", help="Only this tenant; repeatable.")
@click.option(
    "--lock-timeout",
    type=click.FloatRange(0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for other users of a database.",
)
@click.option("--dry-run", is_flag=True, help="Only print the SQL.")
@click.pass_context
def migrate(
    context: click.Context,
    *,
    jobs: int,
    canary: int,
    max_failures: int,
    resume: bool,
    retry_failed: bool,
    only: tuple[str, ...],
    lock_timeout: float,
    dry_run: bool,
) -> None:
    """Migrate every tenant's database to the newest schema revision.

    If a tenant fails, it stays as it was and the others continue. Ctrl-C lets the databases in progress
    finish, and leaves a run that --resume continues.
    """
    if context.invoked_subcommand is not None:
        return
    if (resume or retry_failed) and (only or dry_run):
        raise click.UsageError("--resume and --retry-failed go with neither --only nor --dry-run.")
    history = find_history()
    if history is None:
        click.echo(f"TENANTRY_FACTORY={get_settings().factory} has no MIGRATIONS; nothing to do.")
        return
    options = Options(
        jobs=jobs, canary=canary, max_failures=max_failures, lock_timeout=lock_timeout
    )
    again = ResumeOptions(pending=resume, failed=retry_failed) if resume or retry_failed else None
    with ready_catalog() as catalog:
        if dry_run:
            echo_plan(catalog, history, only)
        else:
            run(catalog, history, options, only=only, again=again)


@migrate.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show how many tenants are at each schema revision, and what the last run did."""
    history = find_history()
    newest = history.head if history else None
    with ready_catalog() as catalog:
        schemas = catalog.schemas.count()
        last = catalog.runs.find_last()
        failed = catalog.runs.list_failed_steps(last.id) if last else ()
    if as_json:
        failures = [{"slug": step.tenant.slug, "error": step.error} for step in failed]
        run = None if last is None else {**_to_json(last), "failures": failures}
        echo_json({"newest": newest, "schemas": schemas, "run": run})
        return
    click.echo(f"Newest schema revision: {newest or 'none, the factory has no MIGRATIONS'}")
    if schemas:
        counted = [
            (name or "unknown", count, "" if name == newest else "behind")
            for name, count in schemas.items()
        ]
        echo_table(["Schema", "Tenants", ""], counted)
    if last is not None:
        click.echo("")
        echo_facts(_facts(last))
        if failed:
            click.echo("")
            rows = [(step.tenant.slug, step.before or "unknown", step.error) for step in failed]
            echo_table(["Slug", "Schema", "Error"], rows)


def find_history() -> History | None:
    """Return the factory's revisions, if it has any."""
    folder = load_factory(get_settings()).migrations
    return None if folder is None else load_history(folder)


def run(
    catalog: Catalog,
    history: History,
    options: Options,
    *,
    only: Sequence[str],
    again: ResumeOptions | None,
) -> None:
    """Migrate, show how far it is, and say what became of it."""
    with ExitStack() as stack:

        def watch(begun: Run) -> Callable[[], None]:
            pending = begun.counts[StepState.PENDING]
            click.echo(
                f"Run {begun.id}: {pending} tenants to schema revision {begun.target}.", err=True
            )
            return stack.enter_context(progress("Migrating", total=pending))

        ended = migrate_tenants(
            catalog,
            history,
            settings=get_settings(),
            options=options,
            only=only,
            again=again,
            watch=watch,
            by=actor(),
        )
    if ended is None:
        click.echo(f"Every tenant is at schema revision {history.head}.")
        return
    _tell_failures(catalog, ended)
    counts = ended.counts
    told = f"{counts[StepState.OK]} of {ended.total} tenants migrated to {ended.target}"
    if ended.state is RunState.DONE and not counts[StepState.FAILED]:
        click.echo(f"{told}.")
        return
    pending = counts[StepState.PENDING]
    problem = f"{told}, {counts[StepState.FAILED]} failed, {pending} not begun."
    remedy = "resume" if pending else "retry-failed"
    raise click.ClickException(f"{problem} `tenantry migrate --{remedy}` continues the run.")


def echo_plan(catalog: Catalog, history: History, only: Sequence[str]) -> None:
    """Print the SQL for each group of tenants that are alike."""
    catalog.tenants.check_slugs(only)
    groups = catalog.schemas.list_behind(history.head, only=only)
    if not groups:
        click.echo(f"-- Every tenant is at schema revision {history.head}.")
    for group in groups:
        schema = group.schema_revision
        shown = schema or "unknown, shown from an empty database on"
        click.echo(f"-- {group.tenants} tenants on {group.placement}, schema revision {shown}")
        example = catalog.tenants.get_by_id(group.example)
        try:
            click.echo(render(history, schema, tenant_database(example, get_settings()).kind))
        except UnknownSchemaError as error:
            click.echo(f"-- {error}")
        click.echo("")


def _tell_failures(catalog: Catalog, ended: Run) -> None:
    failed = ended.counts[StepState.FAILED]
    for step in catalog.runs.list_failed_steps(ended.id, limit=SHOWN):
        click.echo(f"{step.tenant.slug}: {plain(step.error)}", err=True)
    if failed > SHOWN:
        click.echo(f"... and {failed - SHOWN} more; see `tenantry migrate status`.", err=True)


def _facts(last: Run) -> dict[str, object]:
    counts = [f"{count} {state}" for state, count in last.counts.items() if count]
    return {
        "Last run": f"{last.id}, {last.state}",
        "To": last.target,
        "By": last.actor,
        "Begun": last.started_at.isoformat(timespec="seconds"),
        "Ended": last.finished_at.isoformat(timespec="seconds") if last.finished_at else "not yet",
        "Tenants": ", ".join(counts) or "none",
    }


def _to_json(last: Run) -> dict[str, Any]:
    return {
        "id": last.id,
        "state": last.state.value,
        "target": last.target,
        "actor": last.actor,
        "options": dict(last.options),
        "started_at": last.started_at.isoformat(),
        "seen_at": last.seen_at.isoformat(),
        "finished_at": last.finished_at.isoformat() if last.finished_at else None,
        "tenants": {state.value: count for state, count in last.counts.items()},
    }
