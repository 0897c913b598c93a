"""Checks of the whole platform that run as jobs: the doctor, and who would be over a plan's limits."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tenantry.catalog import TenantFilter
from tenantry.databases.placements import check_here, tenant_database
from tenantry.errors import TenantryError
from tenantry.flask.quotas import MIB, read_quotas, size_of_files
from tenantry.jobs import JobRefused
from tenantry.lifecycle.export import WITHOUT_DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tenantry.jobs import JobRun
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

COMMAND = "from tenantry.cli import main; main()"
POLL_SECONDS = 1.0
NEARLY_FULL = 0.9
"""The share of its room from which a tenant is nearly full."""
MOST_FULL = 100
"""Tenants that are nearly full, which the check names."""
MOST_FINDINGS = 200
SEVERITIES = ("unsafe", "warning", "ok")
"""What the doctor calls its findings, the worst first."""
MOST_TOLD = 300
"""Characters of the doctor's own error that the job tells."""


def run_doctor(_operations: Operations, run: JobRun, *, only: str | None = None) -> dict[str, Any]:
    """Run ``tenantry doctor`` in a process of its own, and return its findings.

    :param only: ``factory`` or ``machine``; by default both parts.
    """
    part = ["--only", only] if only else []
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-c", COMMAND, "doctor", "--json", *part],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            printed, told = _wait(process, run)
        except BaseException:
            process.terminate()  # the doctor removes what it has made
            raise
    try:
        findings = json.loads(printed)["findings"]
    except (ValueError, KeyError, TypeError) as error:
        reason = (
            told.decode(errors="replace").strip()[-MOST_TOLD:] or f"it ended {process.returncode}"
        )
        raise JobRefused(f"the doctor did not finish: {reason}") from error
    findings.sort(key=lambda found: SEVERITIES.index(found["severity"]))  # the worst are kept
    return {"safe": process.returncode == 0, "findings": findings[:MOST_FINDINGS]}


def _wait(process: subprocess.Popen[bytes], run: JobRun) -> tuple[bytes, bytes]:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=POLL_SECONDS)
        run.check()


def check_plan(
    operations: Operations,
    run: JobRun,
    *,
    plan: str,
    database_mb: float | None = None,
    media_mb: float | None = None,
) -> dict[str, int]:
    """Measure each tenant of a plan, and log the ones that would be over these limits, in MiB."""
    counts = {"checked": 0, "over": 0, "not_measured": 0}
    total = operations.catalog.tenants.count_by_plan().get(plan, 0)
    for tenant in _list_tenants(operations, plan):
        try:
            over = list(_find_over(operations, tenant, database_mb, media_mb))
        except (TenantryError, OSError) as error:
            counts["not_measured"] += 1
            run.log(f"{tenant.slug} cannot be measured: {error}")
        else:
            counts["checked"] += 1
            counts["over"] += bool(over)
            if over:
                run.log(f"{tenant.slug} would be over: {', '.join(over)}")
        run.progress(counts["checked"] + counts["not_measured"], total)
    return counts


def check_quotas(operations: Operations, run: JobRun) -> dict[str, Any]:
    """Measure each tenant whose plan limits its room, and return those that are nearly full.

    Tenants of other nodes are not measured here.
    """
    settings = operations.settings
    full: list[str] = []
    counts = {"checked": 0, "not_measured": 0, "nearly_full": 0}
    for done, tenant in enumerate(_list_tenants(operations), 1):
        run.progress(done)
        try:
            check_here(tenant.placement, settings)
            quotas = read_quotas(tenant, settings)
        except (TenantryError, OSError) as error:
            counts["not_measured"] += 1
            run.log(f"{tenant.slug} cannot be measured: {error}")
            continue
        counts["checked"] += bool(quotas)
        near = [quota for quota in quotas if quota.used >= NEARLY_FULL * quota.allowed]
        if near:
            counts["nearly_full"] += 1
            full += [tenant.slug] if len(full) < MOST_FULL else []
            run.log(f"{tenant.slug}: {'; '.join(map(str, near))}")
    return {**counts, "slugs": full}


def _list_tenants(operations: Operations, plan: str = "") -> Iterator[Tenant]:
    for row in operations.catalog.listings.each_tenant(TenantFilter(plan=plan)):
        if row.tenant.state not in WITHOUT_DATA:
            yield row.tenant


def _find_over(
    operations: Operations, tenant: Tenant, database_mb: float | None, media_mb: float | None
) -> Iterator[str]:
    settings = operations.settings
    check_here(tenant.placement, settings)  # another node's files would have no size here
    if database_mb is not None:
        used = tenant_database(tenant, settings).used() / MIB
        if used >= database_mb:
            yield f"database {used:,.1f} of {database_mb:g} MiB"
    if media_mb is not None:
        used = size_of_files(settings.tenant_dir(tenant.id)) / MIB
        if used >= media_mb:
            yield f"files {used:,.1f} of {media_mb:g} MiB"
