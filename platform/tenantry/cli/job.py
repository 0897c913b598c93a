"""``tenantry job``: list, show, cancel and retry jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog.values import JobState
from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.listing import json_option, paged, pages_of, show_rest
from tenantry.cli.output import echo_facts, echo_json, echo_json_array, echo_table, plain

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.catalog import Catalog, Job, JobLine

number = click.argument("number", type=click.IntRange(1), metavar="ID")


@click.group()
def job() -> None:
    """List, show, cancel and retry jobs."""


@job.command("list")
@click.option("--state", type=click.Choice([state.value for state in JobState]))
@click.option("--tenant", "slug", metavar="SLUG", help="Only jobs of this tenant.")
@click.option("--name", help="Only jobs of this name.")
@paged
def list_jobs(
    *,
    state: str | None,
    slug: str | None,
    name: str | None,
    page: int,
    size: int,
    every: bool,
    as_json: bool,
) -> None:
    """List jobs, the newest first."""
    with ready_catalog() as catalog:
        wanted = JobState(state) if state else None
        tenant_id = catalog.tenants.get(slug).id if slug else None
        parts = pages_of(
            lambda page, size: catalog.jobs.list(
                state=wanted, tenant_id=tenant_id, name=name, page=page, size=size
            ),
            page=page,
            size=size,
            every=every,
        )
        if as_json:
            echo_json_array(_to_json(catalog, one) for part in parts for one in part.items)
            return
        for part in parts:
            header = ["Id", "Name", "Tenant", "State", "Due", "Attempts", "Progress", "Error"]
            echo_table(header, [_to_row(catalog, one) for one in part.items])
            show_rest(part, every=every)


@job.command()
@number
@json_option
def show(number: int, *, as_json: bool) -> None:
    """Show the job ID with its log lines."""
    with ready_catalog() as catalog:
        found = catalog.jobs.get(number)
        lines = catalog.jobs.list_lines(number)
        facts = _to_json(catalog, found)
    if as_json:
        echo_json(facts | {"lines": [_line_to_json(line) for line in lines]})
        return
    echo_facts({name.replace("_", " ").capitalize(): value for name, value in facts.items()})
    for line in lines:
        click.echo(f"{_moment(line.at)}  {line.attempt}  {plain(line.text)}")


@job.command()
@number
def cancel(number: int) -> None:
    """Cancel the job ID. One that runs is stopped where its author says that it is safe."""
    with ready_catalog() as catalog:
        found = catalog.jobs.cancel(number, by=actor())
    if found.state is JobState.CANCELLED:
        click.echo(f"Job {number} is cancelled.")
    else:
        click.echo(
            f"Job {number} is asked to stop; `tenantry job show {number}` tells when it has."
        )


@job.command()
@number
def retry(number: int) -> None:
    """Run the failed or cancelled job ID again, with all of its attempts."""
    with ready_catalog() as catalog:
        catalog.jobs.retry(number, by=actor())
        has_worker = catalog.jobs.pipe.has_reader()
    click.echo(f"Job {number} is queued again.")
    if not has_worker:
        click.echo("No job worker runs on this machine: start one with `tenantry work`.", err=True)


def _to_row(catalog: Catalog, found: Job) -> list[object]:
    progress = f"{found.done}/{found.total}" if found.total else str(found.done or "")
    state = "stopping" if found.cancel_requested and not found.state.is_final else found.state
    return [
        found.id,
        found.name,
        _slug(catalog, found),
        state,
        _moment(found.due_at),
        f"{found.attempts - found.losses} of {found.max_attempts}",
        progress,
        found.error,
    ]


def _slug(catalog: Catalog, found: Job) -> str:
    return "" if found.tenant_id is None else catalog.tenants.get_by_id(found.tenant_id).slug


def _to_json(catalog: Catalog, found: Job) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "tenant": _slug(catalog, found) or None,
        "state": found.state.value,
        "cancel_requested": found.cancel_requested,
        "arguments": dict(found.arguments),
        "attempts": found.attempts,
        "losses": found.losses,
        "max_attempts": found.max_attempts,
        "cancellable": found.cancellable,
        "done": found.done,
        "total": found.total,
        "error": found.error,
        "result": dict(found.result),
        "actor": found.actor,
        "worker": found.worker,
        "created_at": found.created_at.isoformat(),
        "due_at": found.due_at.isoformat(),
        "deadline_at": found.deadline_at and found.deadline_at.isoformat(),
        "started_at": found.started_at and found.started_at.isoformat(),
        "finished_at": found.finished_at and found.finished_at.isoformat(),
    }


def _line_to_json(line: JobLine) -> dict[str, Any]:
    return {"at": line.at.isoformat(), "attempt": line.attempt, "text": line.text}


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
