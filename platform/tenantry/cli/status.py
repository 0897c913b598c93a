"""``tenantry status``: shows the platform and its running workers."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tenantry.catalog import JobState, schema
from tenantry.catalog.engine import shown
from tenantry.cli.context import ready_catalog
from tenantry.cli.health import answers
from tenantry.cli.instances import describe_instances
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_json, fact_lines
from tenantry.cli.screen import echo_page, watch_lines, watch_page
from tenantry.cli.workers import worker_parts
from tenantry.errors import CatalogUnavailableError
from tenantry.lifecycle.plan import find_unnamed_plans
from tenantry.settings import get_settings
from tenantry.worker import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.catalog import Catalog
    from tenantry.cli.screen import Part
    from tenantry.settings import Settings

WATCH_SECONDS = 2.0
WAITS_LONG = 10.0
"""Seconds after which a job that could run is worth a word."""


@click.command()
@json_option
@click.option(
    "--watch",
    "seconds",
    is_flag=False,
    flag_value=WATCH_SECONDS,
    type=click.FloatRange(0.1, 3600),
    metavar="[SECONDS]",
    help="Refresh every so many seconds (2), until Ctrl-C.",
)
def status(*, as_json: bool, seconds: float | None) -> None:
    """Show the state of the platform and its workers."""
    settings = get_settings()
    # A walk through thousands of sites' folders: once is enough.
    look = partial(gather, settings, size=folder_size(settings.data_dir))
    if seconds is None:
        facts = look()
        if as_json:
            echo_json(facts)
        else:
            echo_page(page(facts, settings))
        if facts["catalog"]["problem"]:
            raise CatalogUnavailableError(facts["catalog"]["problem"])
    elif as_json:
        watch_lines(lambda: json.dumps(look(), ensure_ascii=False, default=str), seconds=seconds)
    else:
        watch_page(lambda: page(look(), settings), seconds=seconds)


def gather(settings: Settings, *, size: int) -> dict[str, Any]:
    """Return everything that is shown.

    :param size: Of the data folder, in bytes.
    """
    found = survey(settings.workers_dir)
    return {
        "server": {
            "answers": answers(settings),
            "bind": settings.bind,
            "port": settings.port,
            "socket": settings.socket or None,
        },
        "instances": describe_instances(settings),
        "urls": {"front": settings.apex_url, "backend": settings.backend_url},
        **_ask_catalog(settings),
        "data_dir": {
            "path": str(settings.data_dir),
            "bytes": size,
            "free_bytes": shutil.disk_usage(settings.data_dir).free,
        },
        "workers": found.reports,
        "silent_workers": [
            {"pid": pid, "problem": problem} for pid, problem in found.troubles.items()
        ],
    }


def _ask_catalog(settings: Settings) -> dict[str, Any]:
    """Return what the catalog says. If it says nothing, the workers are what people look for."""
    facts = {"url": shown(settings.catalog_url), "revision": None, "epoch": None, "problem": None}
    try:
        with ready_catalog(settings) as catalog:
            return {
                "catalog": {
                    **facts,
                    "revision": schema.head(),
                    "epoch": catalog.changes.read_epoch(),
                },
                "tenants": {
                    state.value: count for state, count in catalog.tenants.count_by_state().items()
                },
                "plans": catalog.tenants.count_by_plan(),
                "jobs": _count_jobs(catalog),
                "audit": _glance(catalog),
                "accounts": {
                    "total": catalog.accounts.list(size=1).total,
                    "operators": catalog.accounts.list(operators=True, size=1).total,
                    "operable": catalog.accounts.has_operator(),
                },
            }
    except CatalogUnavailableError as error:
        nothing = dict.fromkeys(("tenants", "plans", "jobs", "audit", "accounts"))
        return {"catalog": {**facts, "problem": error.problem}, **nothing}


def page(facts: dict[str, Any], settings: Settings) -> Iterator[Part]:
    """Yield what people see of *facts*."""
    listener = settings.socket or f"{settings.bind}:{settings.port}"
    folder = facts["data_dir"]
    lines = {
        "Server": f"{'answers' if facts['server']['answers'] else 'does not answer'}, {listener}",
        "Front page": settings.apex_url,
        "Backend": settings.backend_url,
        "Instances": _instances_line(facts["instances"]),
        **_catalog_lines(facts, settings),
        "Data folder": f"{folder['path']}, {_shown_size(folder['bytes'])}, "
        f"{_shown_size(folder['free_bytes'])} free",
    }
    yield "\n".join(fact_lines(lines))
    troubles = {silent["pid"]: silent["problem"] for silent in facts["silent_workers"]}
    yield from worker_parts(Survey(facts["workers"], troubles))


def _catalog_lines(facts: dict[str, Any], settings: Settings) -> dict[str, object]:
    catalog, accounts = facts["catalog"], facts["accounts"]
    if catalog["problem"]:
        return {"Catalog": f"{catalog['url']}, does not answer"}
    tenants = [f"{count} {state}" for state, count in facts["tenants"].items() if count]
    unnamed = find_unnamed_plans(settings, facts["plans"])
    operable = "" if accounts["operable"] else "; none has a password yet: run `tenantry init`"
    return {
        "Catalog": f"{catalog['url']}, revision {catalog['revision']}",
        "Epoch": catalog["epoch"],
        "Tenants": ", ".join(tenants) or "none",
        **({"Plans": " ".join(unnamed)} if unnamed else {}),
        "Jobs": _jobs_line(facts["jobs"]),
        "Audit trail": _audit_line(facts["audit"]),
        "Accounts": f"{accounts['total']}, operators {accounts['operators']}{operable}",
    }


def _count_jobs(catalog: Catalog) -> dict[str, Any]:
    """Return how many jobs there are, and whether anything here works on them."""
    since = catalog.jobs.find_waiting_since()
    waited = 0.0 if since is None else (catalog.jobs.clock() - since).total_seconds()
    return {
        **{state.value: count for state, count in catalog.jobs.count_by_state().items()},
        "waits_s": round(waited, 1),
        "worker_runs_here": catalog.jobs.pipe.has_reader(),
    }


def _jobs_line(jobs: dict[str, Any]) -> str:
    counts = ", ".join(f"{jobs[state]} {state}" for state in JobState if jobs[state])
    waits = (
        f", the oldest waits for {jobs['waits_s']:.0f} s" if jobs["waits_s"] > WAITS_LONG else ""
    )
    worker = "" if jobs["worker_runs_here"] else "; no job worker runs on this machine"
    return f"{counts or 'none'}{waits}{worker}"


def _instances_line(instances: dict[str, str]) -> str:
    because = f": {instances['reason']}" if instances["reason"] else ""
    return f"{instances['kind']}{because}"


def _glance(catalog: Catalog) -> dict[str, Any]:
    """Return what the end of the audit trail looks like; `tenantry audit verify` reads all of it."""
    found = catalog.audit.verify_end()
    return {
        "newest": found.newest.number,
        "anchor": found.anchor.number if found.anchor is not None else None,
        "problem": found.problem or None,
    }


def _audit_line(audit: dict[str, Any]) -> str:
    if audit["problem"]:
        return f"NOT SOUND. {audit['problem']} Run `tenantry audit verify`."
    anchor = "no anchor yet" if audit["anchor"] is None else f"anchored at event {audit['anchor']}"
    return f"{audit['newest']} events, {anchor}"


def folder_size(path: Path) -> int:
    """Return the bytes of all files under *path*; what vanishes meanwhile does not count."""
    total = 0
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += folder_size(path / entry.name)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:  # vanished, or not ours to read
        return total
    return total


def _shown_size(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004 - the step between two units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
