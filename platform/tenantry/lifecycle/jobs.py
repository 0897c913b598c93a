"""Operations as jobs, for what takes longer than a request may; and what runs by schedule.

A job's name is ``operations.`` and the name of the operation. Its arguments are those of the operation
that are JSON. A passphrase is not among them: it would lie in the catalog.
"""

from __future__ import annotations

import inspect
import time
from datetime import timedelta
from functools import wraps
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.bundles.archive import needs_passphrase
from tenantry.catalog import BackupFilter, RunState, TenantFilter
from tenantry.catalog.models import now
from tenantry.catalog.webhook_messages import ATTEMPTS, JOB
from tenantry.errors import (
    BadArgumentError,
    CatalogUnavailableError,
    ElsewhereError,
    TenantExistsError,
    TenantryError,
)
from tenantry.files.disk import exists
from tenantry.jobs import JobDefinition, JobDefinitions, JobQueue, JobRefused, job
from tenantry.lifecycle.announce import mail_announcement
from tenantry.lifecycle.drill import choose_backup_to_check, noting
from tenantry.lifecycle.export import WITHOUT_DATA
from tenantry.lifecycle.host_checks import HostChecker
from tenantry.lifecycle.host_news import tell_people
from tenantry.lifecycle.platform_checks import check_plan, check_quotas, run_doctor
from tenantry.lifecycle.restore import check_owner
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.lifecycle.webhooks import deliver
from tenantry.migrations import load_history
from tenantry.migrations.run import Options, ResumeOptions, migrate
from tenantry.rows.tables import BATCH
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantry.catalog import Catalog, Job, Run
    from tenantry.factory import Factory
    from tenantry.jobs import JobRun
    from tenantry.jobs.definition import JobOptions
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

HOURS = 3600.0
STEPS = {
    "operations.backup": 2,
    "operations.export": 2,
    "operations.restore": 2,
    "operations.import": 3,
    "operations.clone": 2,
    "operations.drill": 4,
}
"""How many steps the jobs of one tenant have that tell them."""
MOST_VERIFIED = 100_000
"""Backups that one job verifies at most."""
MAIL_DAYS = 60
"""Days for which it is known what became of a mail; bounces count for thirty."""


def start_job(
    operations: Operations, name: str, *, key: str | None = None, **arguments: Any
) -> Job:
    """Have an operation done by a job worker, in the name of the same actor.

    :param name: Of the operation: ``backup``, ``verify``, ``drill``, ``export``, ``import``, ``clone``,
        ``move``, ``restore``, ``migrate``, ``delete`` or ``purge``.
    :param key: A second job of the operation with this key is not added. By default it is that of
        *operations*.
    :param arguments: What the operation takes, as JSON.
    :raises UnknownJobError: There is no such operation.
    :raises BadJobError: The arguments do not fit.
    :raises TenantNotFoundError: The tenant does not exist.
    """
    definitions = operation_jobs(operations.catalog, operations.settings)
    queue = JobQueue(operations.catalog.jobs, JobDefinitions(definitions))
    full, slug = f"operations.{name}", arguments.get("slug")
    queue.definitions.get(full).check_arguments(arguments)
    if len(only := arguments.get("only", ())) == 1:  # a migration of one tenant is that tenant's
        (slug,) = only
    owner = None
    # An imported tenant is not there yet, and a purge removes its tenant's jobs.
    if isinstance(slug, str) and name not in {"import", "purge"}:
        owner = operations.catalog.tenants.get(slug).id
    key = key or operations.job_key
    return queue.enqueue(full, arguments, tenant_id=owner, key=key, by=operations.actor)


def operation_jobs(
    catalog: Catalog, settings: Settings, factory: Factory | None = None
) -> tuple[JobDefinition, ...]:
    """Return the operations that run as jobs.

    :param factory: By default the one that the settings name, loaded when an operation needs it.
    """

    def bind(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(run: JobRun, **arguments: Any) -> Any:
            from tenantry.lifecycle.operations import Operations  # noqa: PLC0415 - it starts jobs

            operations = Operations(
                catalog, factory, settings=settings, actor=run.by, step=_step_of(run)
            )
            try:
                return function(operations, run, **arguments)
            except TenantryError as error:
                if error.retry_after is None:  # what cannot succeed is not tried again
                    raise JobRefused(str(error)) from error
                raise

        # Arguments are checked before the job is added: without the operations, which come later.
        taken = tuple(inspect.signature(function).parameters.values())[1:]
        call.__dict__["__signature__"] = inspect.Signature(taken)
        return call

    return tuple(
        job(name, **options)(bind(function)) for name, (function, options) in _JOBS.items()
    )


def _step_of(run: JobRun) -> Callable[[str], None]:
    """Return what notes the steps of a job that has some."""
    total = STEPS.get(run.job.name, 0) + (2 if run.job.arguments.get("backup_first") else 0)
    return (lambda text: run.step(text, total)) if total else lambda _: None


def _backup(
    operations: Operations,
    _run: JobRun,
    *,
    slug: str,
    folder: str | None = None,
    keep: int | None = None,
) -> dict[str, Any]:
    made = operations.backup(slug, folder=_path(folder), keep=keep)
    return {"file": str(made.path), "bytes": made.size, "is_new": made.is_new}


def _backup_all(
    operations: Operations, run: JobRun, *, folder: str | None = None, keep: int | None = None
) -> dict[str, int]:
    slugs = _slugs(operations.catalog)
    counts = {"made": 0, "unchanged": 0, "elsewhere": 0, "failed": 0}
    for number, slug in enumerate(slugs, 1):
        try:
            made = operations.backup(slug, folder=_path(folder), keep=keep)
        except CatalogUnavailableError:
            raise
        except ElsewhereError:
            # A job of the tenant's own is run by the node that has its files.
            again = f"{run.job.id}-{slug}"
            operations.start("backup", key=again, slug=slug, folder=folder, keep=keep)
            counts["elsewhere"] += 1
        except (
            TenantryError,
            OSError,
        ) as error:  # nothing of one tenant's keeps others from theirs
            counts["failed"] += 1
            run.log(f"{slug}: {error}")
        else:
            counts["made" if made.is_new else "unchanged"] += 1
        run.progress(number, len(slugs))
    if counts["failed"]:
        raise RuntimeError(f"{counts['failed']} of {len(slugs)} tenants were not backed up")
    return counts


def _export(
    operations: Operations, run: JobRun, *, slug: str, path: str | None = None
) -> dict[str, Any]:
    folder = exports_dir(operations.settings)
    target = _path(path) or folder / f"{slug}-{run.job.id}.tenant"
    # A bundle appears when it is complete: one that is there is an earlier attempt's.
    if run.attempt == 1 or not exists(target):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        operations.export(slug, target)
    return {"file": str(target), "bytes": target.stat().st_size}


def _import(
    operations: Operations,
    run: JobRun,
    *,
    path: str,
    slug: str | None = None,
    placement: str | None = None,
    plan: str | None = None,
    owner_email: str | None = None,
) -> dict[str, Any]:
    try:
        made = operations.import_(
            Path(path), slug=slug, placement=placement, plan=plan, owner_email=owner_email
        )
    except TenantExistsError as error:
        made = _made_before(operations, run, "tenant.import", error)
    return {"id": made.id, "slug": made.slug}


def _clone(
    operations: Operations, run: JobRun, *, slug: str, new: str, owner_email: str | None = None
) -> dict[str, Any]:
    try:
        made = operations.clone(slug, new, owner_email=owner_email)
    except TenantExistsError as error:
        made = _made_before(operations, run, "tenant.clone", error)
    return {"id": made.id, "slug": made.slug}


def _move(operations: Operations, run: JobRun, *, slug: str, to: str) -> dict[str, Any]:
    steps, preview = count(1), operations.preview_move(slug, to)
    # Each row is read from the source, and read again from the target.
    total = 0 if preview is None else 2 * (preview.rows // BATCH + 1)

    def advance() -> None:
        # It may end the move here, which then undoes what it has made.
        run.progress(done := next(steps), max(total, done))

    moved = operations.move(slug, to, advance=advance, step=run.log)
    return {} if moved is None else {"rows": moved.rows, "closed_s": round(moved.closed, 3)}


def _restore(
    operations: Operations,
    _run: JobRun,
    *,
    slug: str,
    path: str | None = None,
    backup_first: bool = False,
    with_settings: bool = True,
) -> dict[str, Any]:
    paths = TenantPaths(operations.catalog.tenants.get(slug), operations.settings)
    if backup_first and not exists(paths.journal):  # else an interrupted one is finished
        operations.backup(slug)
    restored = operations.restore(slug, _path(path), with_settings=with_settings)
    return {"slug": restored.slug}


def _verify(
    operations: Operations, _run: JobRun, *, slug: str, path: str | None = None
) -> dict[str, Any]:
    tenant = operations.catalog.tenants.get(slug)
    chosen = choose_backup_to_check(operations, slug, _path(path))
    with noting(operations, tenant.id, chosen):
        manifest = operations.verify(chosen)
        check_owner(manifest, tenant, chosen)
    return {"file": str(chosen), "rows": manifest.rows, "files": len(manifest.files)}


def _verify_all(operations: Operations, run: JobRun) -> dict[str, int]:
    """Verify each newest backup in the data folder that was not verified yet."""
    catalog, sound, damaged, elsewhere = operations.catalog, 0, 0, 0
    slugs = catalog.backups.list_slugs(BackupFilter.UNCHECKED, before=now(), limit=MOST_VERIFIED)
    for number, slug in enumerate(slugs, 1):
        try:
            path = operations.choose_backup(slug)
            if path is not None and not needs_passphrase(path):
                _verify(operations, run, slug=slug, path=str(path))
                sound += 1
        except CatalogUnavailableError:
            raise
        except ElsewhereError:
            # A job of the tenant's own is run by the node that has its files.
            operations.start("verify", key=f"{run.job.id}-{slug}", slug=slug)
            elsewhere += 1
        except (TenantryError, OSError) as error:  # one tenant's trouble keeps none of the others
            damaged += 1
            run.log(f"{slug}: {error}")
        run.progress(number, len(slugs))
    if damaged:
        raise JobRefused(f"{damaged} of {len(slugs)} backups are not sound; the log names them")
    return {"sound": sound, "elsewhere": elsewhere}


def _drill(operations: Operations, _run: JobRun, *, slug: str, path: str) -> dict[str, Any]:
    manifest = operations.drill(slug, Path(path))
    return {"file": path, "rows": manifest.rows, "files": len(manifest.files)}


def _migrate(
    operations: Operations,
    run: JobRun,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    canary: int = 0,
    max_failures: int = 0,
    resume: bool = False,
    retry_failed: bool = False,
) -> dict[str, Any]:
    catalog, folder = operations.catalog, operations.factory.migrations
    if folder is None:
        raise JobRefused(f"TENANTRY_FACTORY={operations.settings.factory} has no MIGRATIONS")

    again = None
    if resume or retry_failed:
        again = ResumeOptions(pending=resume, failed=retry_failed)

    def watch(begun: Run) -> Callable[[], None]:
        steps = count(1)
        return lambda: run.progress(next(steps), begun.total)

    ended = migrate(
        catalog,
        load_history(folder),
        settings=operations.settings,
        options=Options(jobs=jobs, canary=canary, max_failures=max_failures),
        only=only,
        again=again,
        watch=watch,
        by=run.by,
    )
    if ended is None:
        return {"state": RunState.DONE.value, "tenants": 0}
    for step in catalog.runs.list_failed_steps(ended.id):
        run.log(f"{step.tenant.slug}: {step.error}")
    if ended.state is not RunState.DONE:
        raise JobRefused(f"the run {ended.id} of migrations is {ended.state}")
    return {"run": ended.id, "state": ended.state.value, "tenants": ended.total}


def _delete(operations: Operations, _run: JobRun, *, slug: str, reason: str = "") -> dict[str, Any]:
    row = operations.delete(slug, reason=reason)
    return {"purge_at": row.purge_at and row.purge_at.isoformat()}


def _purge(operations: Operations, _run: JobRun, *, slug: str, early: bool = False) -> None:
    operations.purge(slug, early=early)


def _purge_due(operations: Operations, run: JobRun) -> dict[str, int]:
    slugs, left = operations.catalog.purges.list_due(), 0
    for number, slug in enumerate(slugs, 1):
        try:
            operations.purge(slug)
        except CatalogUnavailableError:
            raise
        except TenantryError as error:
            left += 1
            run.log(str(error))
        run.progress(number, len(slugs))
    if left:
        raise RuntimeError(f"{left} of {len(slugs)} tenants could not be purged")
    return {"purged": len(slugs)}


def _clean(operations: Operations, _run: JobRun) -> dict[str, int]:
    catalog, days = operations.catalog, operations.settings.job_keep_days
    return {
        "jobs": catalog.jobs.remove_finished(now() - timedelta(days=days)),
        "mails": catalog.mails.remove_old(now() - timedelta(days=MAIL_DAYS)),
        "files": _remove_old_files(operations.settings, days),
        "webhook_messages": catalog.webhooks.give_up_stale(),
        "found_again": catalog.accounts.add_missing_words(),
    }


def _remove_old_files(settings: Settings, days: int) -> int:
    """Remove bundles that jobs wrote or were given, when the jobs are forgotten; return how many."""
    before, removed = time.time() - timedelta(days=days).total_seconds(), 0
    for folder in (exports_dir(settings), imports_dir(settings)):
        for path in folder.glob("*.tenant"):
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _check_hosts(operations: Operations, run: JobRun) -> dict[str, int]:
    catalog, settings = operations.catalog, operations.settings
    checker = HostChecker(catalog, settings=settings, tell=tell_people(catalog, settings=settings))
    return {"checked": checker.check_due(run.progress)}


def _give_up_unconfirmed(operations: Operations, run: JobRun) -> dict[str, int]:
    given_up = left = 0
    while slugs := operations.catalog.sign_ups.list_expired(skip=left):
        for slug in slugs:
            if _give_up_one(operations, run, slug):
                given_up += 1
            else:
                left += 1  # it stays the first one: the next ones come after it
            run.progress(given_up)
    return {"given_up": given_up}


def _give_up_one(operations: Operations, run: JobRun, slug: str) -> bool:
    try:
        operations.give_up_unconfirmed(slug)
    except CatalogUnavailableError:
        raise
    except ElsewhereError:
        # A job of the tenant's own is run by the node that has its files. One a day: that node may be
        # away for long, and this comes every few minutes.
        operations.start("give_up", key=f"{run.job.created_at:%Y-%m-%d}-{slug}", slug=slug)
    except TenantryError as error:  # one site's trouble keeps none of the others
        run.log(f"{slug}: {error}")
    else:
        return True
    return False


def _give_up(operations: Operations, _run: JobRun, *, slug: str) -> None:
    operations.give_up_unconfirmed(slug)


def _create_many(
    operations: Operations,
    run: JobRun,
    *,
    lines: Sequence[tuple[int, str, str, str]],
    plan: str | None = None,
    placement: str | None = None,
) -> dict[str, int]:
    """Create a tenant of each line: its number in the file, the slug, the name, the owner's e-mail."""
    first: dict[str, int] = {}
    refused = 0
    for done, (number, slug, name, owner_email) in enumerate(lines, 1):
        try:
            if slug in first:
                raise BadArgumentError(slug, f"it is on line {first[slug]} already")
            first[slug] = number
            operations.create(
                slug, name=name, owner_email=owner_email, plan=plan, placement=placement
            )
        except CatalogUnavailableError:
            raise
        except TenantryError as error:
            if not (isinstance(error, TenantExistsError) and _find_made(operations, run, slug)):
                refused += 1
                run.log(f"line {number}: {error}")
        run.progress(done, len(lines))
    if refused:
        made = len(lines) - refused
        raise JobRefused(f"{made} of {len(lines)} tenants were created, {refused} refused")
    return {"created": len(lines)}


def _bulk(
    operations: Operations, run: JobRun, *, operation: str, sites: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    from tenantry.lifecycle.bulk import run_bulk  # noqa: PLC0415 - it prepares what starts jobs

    return run_bulk(operations, run, operation=operation, sites=sites, options=options)


_ONE: JobOptions = {"seconds": 6 * HOURS, "place": "platform"}
_ANYWHERE: JobOptions = {"cancellable": True, "place": "platform"}
_MANY: JobOptions = {
    "attempts": 2,
    "seconds": 20 * HOURS,
    "cancellable": True,
    "place": "platform",
}
_JOBS: Mapping[str, tuple[Callable[..., Any], JobOptions]] = {
    "operations.backup": (_backup, _ONE),
    "operations.backup_all": (_backup_all, _MANY),
    "operations.verify": (_verify, _ONE),
    "operations.verify_all": (_verify_all, _MANY),
    "operations.drill": (_drill, _ONE),
    "operations.export": (_export, _ONE),
    "operations.import": (_import, _ONE),
    "operations.clone": (_clone, _ONE),
    "operations.move": (_move, {**_ONE, "cancellable": True}),
    "operations.restore": (_restore, _ONE),
    "operations.migrate": (_migrate, _MANY),
    "operations.delete": (_delete, _ONE),
    "operations.bulk": (_bulk, _MANY),
    "operations.create_many": (_create_many, _MANY),
    "operations.plan_check": (check_plan, _MANY),
    "platform.announce": (mail_announcement, _MANY),
    "platform.doctor": (run_doctor, {"attempts": 1, "seconds": HOURS, **_ANYWHERE}),
    "operations.purge": (_purge, _ONE),
    "operations.purge_due": (_purge_due, _MANY),
    "operations.give_up": (_give_up, _ONE),
    "platform.check_hosts": (_check_hosts, {"attempts": 1, **_ANYWHERE}),
    "platform.give_up_unconfirmed": (
        _give_up_unconfirmed,
        {"attempts": 1, "seconds": 6 * HOURS, **_ANYWHERE},
    ),
    JOB: (deliver, {"attempts": ATTEMPTS, "backoff": 30, "seconds": 60, "place": "platform"}),
    "platform.check_quotas": (check_quotas, {"attempts": 1, "seconds": 20 * HOURS, **_ANYWHERE}),
    "platform.clean": (_clean, {"attempts": 2, "place": "platform"}),
}


def exports_dir(settings: Settings) -> Path:
    """Return the folder of the bundles that exports write, unless a job names another."""
    return settings.files_home / "exports"


def imports_dir(settings: Settings) -> Path:
    """Return the folder of the files that were sent to be imported."""
    return settings.files_home / "imports"


def is_cancellable(name: str) -> bool:
    """Say whether the job *name* may be cancelled while it runs."""
    _, options = _JOBS[name]
    return options.get("cancellable", False)


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)


def _slugs(catalog: Catalog) -> list[str]:
    """Return the slugs of all tenants that have data."""
    rows = catalog.listings.each_tenant(TenantFilter())
    return [row.tenant.slug for row in rows if row.tenant.state not in WITHOUT_DATA]


def _made_before(
    operations: Operations, run: JobRun, action: str, error: TenantExistsError
) -> Tenant:
    """Return the tenant that an earlier attempt of this job has made, and not recorded.

    :raises TenantExistsError: It is another one's.
    """
    made = _find_made(operations, run, error.name, action) if run.attempt > 1 else None
    if made is None:
        raise error
    return made


def _find_made(
    operations: Operations, run: JobRun, slug: str, action: str = "tenant.create"
) -> Tenant | None:
    """Return the tenant of this slug, if this job has made it."""
    tenant = operations.catalog.tenants.find(slug)
    # The name is another one's former; or what a killed attempt has begun, and no visitor can reach.
    if tenant is None or tenant.state is TenantState.PROVISIONING:
        return None
    for event in operations.catalog.audit.list(tenant_id=tenant.id).items:
        is_ours = event.action == action and event.actor == run.by.label
        if is_ours and event.at >= run.job.created_at.replace(microsecond=0):
            return tenant
    return None
