"""Does an operation to all tenants of a filter, as one job.

Each tenant gets what the operation on it alone does: the same checks, the same audit event, the same
sentence if it is refused. One tenant's failure keeps none of the others.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from tenantry.catalog import SiteState, TenantFilter
from tenantry.errors import (
    BadArgumentError,
    CatalogUnavailableError,
    ElsewhereError,
    TenantryError,
    UnknownPlanError,
)
from tenantry.jobs import JobDefinitions, JobQueue, JobRefused
from tenantry.lifecycle.jobs import operation_jobs
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.values.tenant import TenantState
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from tenantry.catalog import Job, TenantRow
    from tenantry.jobs import JobRun
    from tenantry.lifecycle.declaration import Declaration
    from tenantry.lifecycle.operations import Operations

log = logging.getLogger(__name__)

NAMES = ("suspend", "resume", "maintenance", "plan", "migrate", "backup", "archive", "delete")
"""The operations that can be done to many tenants."""
MOST = 100_000
"""Tenants of one job."""
MOST_MIGRATED = 10_000
"""Tenants that a migration names; one of all tenants names none."""
SAMPLES = 5
"""Tenants of which a preview says what would be done."""
PART = 100
"""Tenants that are read at once."""

_AT_ONCE: Mapping[str, Callable[..., bool]] = MappingProxyType(
    {
        "backup": lambda operations, slug, **named: operations.backup(slug, **named).is_new,
        "delete": lambda operations, slug, **named: bool(operations.delete(slug, **named)),
    }
)
"""What does an operation here and now that is otherwise a job; it says whether anything was done."""


@dataclass(frozen=True, slots=True)
class BulkPreview:
    """What an operation would do to the tenants of a filter."""

    count: int
    """Tenants to which it would be done."""
    left_out: Mapping[TenantState, int]
    """Tenants in a state in which there is nothing to do, or nothing can be done."""
    would: tuple[str, ...] = ()
    """What it would do to the first few, or why it would not."""


def get_states(name: str) -> Collection[TenantState]:
    """Return the states in which tenants are for the operation.

    :raises BadArgumentError: It cannot be done to many.
    """
    if name not in NAMES:
        raise BadArgumentError(name, f"to many sites, one can do: {', '.join(NAMES)}")
    # A tenant that is in maintenance stays there: a job that is run again would tell it twice.
    left_out = {TenantState.MAINTENANCE} if name == "maintenance" else set()
    return frozenset(OPERATIONS[name].states) - left_out


def preview_bulk(
    operations: Operations, name: str, which: TenantFilter, **arguments: Any
) -> BulkPreview:
    """Return what :func:`start_bulk` would do; nothing changes.

    :param name: One of :data:`NAMES`.
    :raises BadArgumentError: It cannot be done to many, or an argument cannot be used.
    """
    found = count_bulk(operations, name, which)
    rows = _take(operations, which, get_states(name), SAMPLES)
    would = [_describe(operations, OPERATIONS[name], row.tenant.slug, arguments) for row in rows]
    return replace(found, would=tuple(would))


def count_bulk(operations: Operations, name: str, which: TenantFilter) -> BulkPreview:
    """Return only to how many tenants it would be done.

    :raises BadArgumentError: It cannot be done to many.
    """
    states = get_states(name)
    counts = operations.catalog.job_sites.count_matching(which)
    return BulkPreview(
        sum(count for state, count in counts.items() if state in states),
        {state: count for state, count in counts.items() if state not in states},
    )


def start_bulk(
    operations: Operations,
    name: str,
    which: TenantFilter,
    *,
    expected: int,
    **arguments: Any,
) -> Job:
    """Have a job worker do an operation to all tenants of a filter.

    :param name: One of :data:`NAMES`.
    :param expected: To how many, as :func:`preview_bulk` has said.
    :param arguments: What the operation takes; each tenant gets the same.
    :raises BadArgumentError: It cannot be done to many, to none or to so many, or *expected* is not
        their number any more.
    """
    states = get_states(name)
    most = MOST_MIGRATED if name == "migrate" else MOST
    if not 0 < expected <= most:
        problem = f"one job does 1 to {most:,}; choose other filters"
        raise BadArgumentError(f"{expected:,} sites", problem)
    for row in _take(operations, which, states, 1):  # what no tenant can have is refused now
        _describe(operations, OPERATIONS[name], row.tenant.slug, arguments)
    if name == "migrate":
        return _start_migration(operations, which, states, expected)
    queue = JobQueue(
        operations.catalog.jobs,
        JobDefinitions(operation_jobs(operations.catalog, operations.settings)),
    )
    given = {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in arguments.items()
    }
    new = queue.prepare(
        "operations.bulk", {"operation": name, "sites": describe_filter(which), "options": given}
    )
    return operations.catalog.job_sites.begin(
        new, which, states=states, expected=expected, by=operations.actor
    )


def run_bulk(
    operations: Operations, run: JobRun, *, operation: str, sites: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Do it, as a job: to each tenant that is pending.

    :param sites: Which they are, in words; the record of the job has them all.
    """
    record, job_id = operations.catalog.job_sites, run.job.id
    if run.attempt == 1:  # or the first after people had it run again
        record.retry_failed(job_id)
    counts = record.count(job_id)
    total = sum(counts.values())
    done = total - counts[SiteState.PENDING]
    arguments = _read_arguments(OPERATIONS[operation], options)
    run.progress(done, total)
    while part := record.list(job_id, SiteState.PENDING, limit=PART):
        for site in part:
            state, text = _do(operations, run, operation, site.tenant_id, arguments)
            record.record(job_id, site.tenant_id, state, text)
            done += 1
            run.progress(done, total)
    counts = record.count(job_id)
    if failed := counts[SiteState.FAILED]:
        raise JobRefused(f"{failed:,} of {counted(total, 'site')} failed: {sites}")
    return {"sites": sites, **{state.value: count for state, count in counts.items() if count}}


def describe_filter(which: TenantFilter) -> str:
    """Return a filter in words."""
    labels = ("state", "plan", "placement", "schema")
    chosen = [f"{label} {value}" for label in labels if (value := getattr(which, label))]
    searched = [f"“{which.search}”"] if which.search else []
    return ", ".join(searched + chosen) or "all sites"


def _take(
    operations: Operations, which: TenantFilter, states: Collection[TenantState], most: int
) -> Iterator[TenantRow]:
    """Yield the first few tenants to which something would be done."""
    listings, left = operations.catalog.listings, most
    wanted = [which.state] if which.state else sorted(states)
    for state in wanted:
        if state in states and left:
            narrowed = TenantFilter(which.search, state, which.plan, which.placement, which.schema)
            found = listings.tenants(narrowed, size=left).items
            left -= len(found)
            yield from found


def _describe(
    operations: Operations, declared: Declaration, slug: str, arguments: Mapping[str, Any]
) -> str:
    try:
        first, *details = declared.prepare(operations, slug, **arguments).would
    except (CatalogUnavailableError, BadArgumentError, UnknownPlanError):
        raise
    except TenantryError as error:
        return str(error)
    return f"{first} {'; '.join(details)}" if details else first


def _start_migration(
    operations: Operations, which: TenantFilter, states: Collection[TenantState], expected: int
) -> Job:
    """Have one migration run over them: it has its own record of each tenant."""
    rows = operations.catalog.listings.each_tenant(which)
    slugs = [row.tenant.slug for row in rows if row.tenant.state in states]
    if len(slugs) != expected:
        problem = f"{len(slugs):,} match by now; read what it would do, and confirm that"
        raise BadArgumentError(f"{expected:,} sites", problem)
    return operations.start("migrate", only=slugs)


def _read_arguments(declared: Declaration, options: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {one.name: one.type for one in declared.parameters}
    return {
        key: datetime.fromisoformat(value) if value and kinds[key] is datetime else value
        for key, value in options.items()
    }


def _do(
    operations: Operations,
    run: JobRun,
    name: str,
    tenant_id: str,
    arguments: Mapping[str, Any],
) -> tuple[SiteState, str]:
    """Do it to one tenant; return what became of it, with a sentence if that is not the usual one."""
    try:
        tenant = operations.catalog.tenants.get_by_id(tenant_id)
        # It was changed since, perhaps by this job, whose worker ended before it could record that.
        if tenant.state not in get_states(name):
            return SiteState.UNCHANGED, f"It is {tenant.state}."
        return _apply(operations, run, name, tenant.slug, arguments)
    except CatalogUnavailableError:
        raise
    except (TenantryError, OSError) as error:
        return SiteState.FAILED, str(error)
    except Exception as error:  # the factory's: one tenant's trouble keeps none of the others
        log.exception("%s of tenant %s failed", name, tenant_id)
        return SiteState.FAILED, f"{type(error).__name__}: {error}"


def _apply(
    operations: Operations, run: JobRun, name: str, slug: str, arguments: Mapping[str, Any]
) -> tuple[SiteState, str]:
    if name not in _AT_ONCE:
        prepared = OPERATIONS[name].prepare(operations, slug, **arguments)
        if not prepared.is_needed:
            return SiteState.UNCHANGED, prepared.done
        prepared.run()
        return SiteState.DONE, ""
    try:
        is_done = _AT_ONCE[name](operations, slug, **arguments)
    except ElsewhereError:
        # A job of the tenant's own is run by the node that has its files.
        job = operations.start(name, key=f"{run.job.id}-{slug}", slug=slug, **arguments)
        return SiteState.ELSEWHERE, f"Job {job.id} does it on another node."
    return (SiteState.DONE if is_done else SiteState.UNCHANGED), ""
