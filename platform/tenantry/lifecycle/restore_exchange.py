"""Exchanging a tenant's data for what a restore has prepared; an interrupted exchange goes on."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.bundles.archive import write_bundle
from tenantry.bundles.manifest import Manifest, read_manifest
from tenantry.bundles.row_members import fill_database, stored_tables
from tenantry.databases.sqlite_file import FILE_NAME
from tenantry.errors import BundleError, TenantryError
from tenantry.files.atomic import rename, sync_folder
from tenantry.files.disk import exists
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.export import gather
from tenantry.lifecycle.untrusted_bundles import receive
from tenantry.relocation.transfer import forget_move
from tenantry.rows.transient import empty_tables
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.lifecycle.tenant_paths import TenantPaths
    from tenantry.values.tenant import Tenant


RESTORING = "restoring"
"""The reason of a tenant that a restore has put into maintenance, and that it lets out again."""


def finish(
    operations: Operations,
    paths: TenantPaths,
    *,
    drain: float,
    is_first: bool = False,
    is_replaced: bool = False,
) -> Tenant:
    """Do what the journal says. Each step skips what has been done already.

    :param drain: Seconds between closing the site and changing its data.
    :param is_first: Nothing has been done of it yet. If the server then refuses the rows, the site
        serves again as it was.
    :param is_replaced: Another backup takes the place of this one next. If the factory refuses what
        this one holds, the site stays closed until then.
    """
    catalog, by = operations.catalog, operations.actor
    journal, manifest = _read_journal(paths)
    tenant = catalog.tenants.get_by_id(paths.tenant.id)
    if tenant.state is TenantState.ACTIVE:
        catalog.tenants.transition(tenant.id, TenantState.MAINTENANCE, reason=RESTORING, by=by)
        time.sleep(drain)
    paths.replaced.mkdir(exist_ok=True, mode=0o700)
    if paths.beside is None and manifest.database is not None:
        try:
            _exchange_rows(paths, manifest, journal.get("transient", []))
        except TenantryError:
            if is_first:
                _undo(operations, paths)
            raise
    _exchange_files(paths)
    if paths.beside is not None:
        _exchange_database(paths)
    is_refused = False
    try:
        receive(operations.factory, tenant)
    except TenantryError:
        if not is_replaced:
            raise
        is_refused = True
    schema = manifest.database.revision if manifest.database is not None else ""
    catalog.schemas.record(tenant.id, schema, by=by)
    # A journal of an earlier release does not say it.
    settings = manifest.tenant.settings if journal.get("with_settings", True) else None
    restored = catalog.tenants.configure(tenant.id, settings=settings, by=by)
    detail = {"file": Path(journal["file"]).name, "created": manifest.created.isoformat()}
    catalog.audit.record("tenant.restore", tenant_id=tenant.id, detail=detail, by=by)
    if not is_refused:
        restored = _reopen(operations, restored)
    paths.journal.unlink()
    sync_folder(paths.restore)
    shutil.rmtree(paths.parts)
    if paths.beside is not None:
        with suppress(OSError):
            paths.beside.rmdir()  # unless the old file is in it
    return restored


def _read_journal(paths: TenantPaths) -> tuple[dict[str, Any], Manifest]:
    """Return the journal and the manifest in it.

    :raises BundleError: Nobody can tell: the disk has spoilt it.
    """
    try:
        journal: dict[str, Any] = json.loads(paths.journal.read_text())
        return journal, read_manifest(json.dumps(journal["manifest"]).encode())
    except (ValueError, KeyError, TypeError) as error:
        problem = "it is damaged; remove it, and restore the tenant again from a backup"
        raise BundleError(str(paths.journal), problem) from error


def _undo(operations: Operations, paths: TenantPaths) -> None:
    """Cancel a restore that has changed nothing."""
    _reopen(operations, paths.tenant)
    paths.journal.unlink()
    paths.clear()


def _reopen(operations: Operations, tenant: Tenant) -> Tenant:
    """Serve the site again if a restore closed it; it stays closed if something else did."""
    row = operations.catalog.tenants.get_row(tenant.slug)
    if row.tenant.state is not TenantState.MAINTENANCE or row.reason != RESTORING:
        return row.tenant
    return operations.catalog.tenants.transition(tenant.id, TenantState.ACTIVE, by=operations.actor)


def _exchange_rows(paths: TenantPaths, manifest: Manifest, transient: list[str]) -> None:
    """Replace the rows in one transaction; the present ones are bundled first."""
    before = paths.replaced / "before.tenant"
    if not exists(before):
        with scratch_folder(paths.settings.data_dir) as parts:
            present = gather(paths.tenant, parts, settings=paths.settings)
            write_bundle(before, present, parts)
    forget_move(paths.database)  # a killed move may have closed it to writers
    rows = stored_tables(manifest, paths.parts)
    fill_database(paths.database, manifest, rows, name=paths.tenant.slug)
    empty_tables(paths.database, transient, name=paths.tenant.slug)


def _exchange_files(paths: TenantPaths) -> None:
    if not exists(paths.files):
        return
    if exists(paths.folder):
        rename(paths.folder, _free(paths.replaced / "folder"))
    paths.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    rename(paths.files, paths.folder)


def _exchange_database(paths: TenantPaths) -> None:
    assert paths.database.file is not None
    assert paths.beside is not None
    new, path = paths.beside / FILE_NAME, paths.database.file
    if not exists(new):
        return
    if exists(path):  # in a folder of its own; otherwise it went aside with the files
        aside = paths.beside / "old"
        aside.mkdir(mode=0o700, exist_ok=True)
        # The file last: a log that stays behind would be taken for the new file's.
        for suffix in ("-wal", "-shm", "-journal", ""):
            with suppress(FileNotFoundError):
                rename(path.with_name(path.name + suffix), aside / (path.name + suffix))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    rename(new, path)


def _free(path: Path) -> Path:
    """Return *path*, or one with a number if it is taken by an interrupted run."""
    number, free = 1, path
    while exists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
