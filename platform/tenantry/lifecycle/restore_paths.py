"""Exchanging a tenant's data for what a restore has prepared, whatever has been done of it already."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.bundles.archive import sync_folder, write_bundle
from tenantry.bundles.manifest import FILES, Manifest, read_manifest
from tenantry.bundles.row_members import fill_database, stored_tables
from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase
from tenantry.errors import BundleError, TenantryError
from tenantry.files.disk import exists
from tenantry.files.locks import restore_journal
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.export import gather
from tenantry.lifecycle.untrusted_bundles import receive
from tenantry.relocation.transfer import forget_move
from tenantry.rows.transient import empty_tables
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


RESTORING = "restoring"
"""The reason of a tenant that a restore has put into maintenance, and that it lets out again."""


class RestorePaths:
    """Where a tenant's data is, and where the old and the new one are meanwhile."""

    def __init__(self, tenant: Tenant, settings: Settings) -> None:
        self.tenant = tenant
        self.settings = settings
        self.folder = settings.tenant_dir(tenant.id)
        self.journal = restore_journal(tenant, settings)
        self.home = self.journal.parent
        self.parts = self.home / "parts"
        self.files = self.parts / FILES
        self.old = self.home / "old"
        self.database = tenant_database(tenant, settings)

    @property
    def beside(self) -> Path | None:
        """The folder for a SQLite file beside the tenant's own, on the same disk."""
        if not isinstance(self.database, SiteDatabase):
            return None
        folder = self.database.path.parent
        return folder.with_name(f"{folder.name}.restore")

    @property
    def kept(self) -> Path:
        """Where that is which the last restore replaced."""
        beside = self.beside and self.beside / "old"
        return self.old if beside is None or not exists(beside) else beside

    def clear(self) -> None:
        """Remove what an earlier try has left; what a restore put aside stays."""
        shutil.rmtree(self.parts, ignore_errors=True)
        if self.beside is not None:
            for name in (FILE_NAME, "copy"):
                SiteDatabase(self.beside / name).drop()
            with suppress(OSError):
                self.beside.rmdir()  # unless what was put aside is in it

    def forget(self) -> None:
        """Remove what the last restore put aside."""
        for folder in (self.old, self.beside and self.beside / "old"):
            if folder is not None and exists(folder):
                shutil.rmtree(folder)


def finish(
    operations: Operations, place: RestorePaths, *, drain: float, is_first: bool = False
) -> Tenant:
    """Do what the journal says. Each step sees what has been done already.

    :param drain: Seconds between closing the site and changing its data.
    :param is_first: Nothing has been done of it yet. If the server then refuses the rows, the site
        serves again as it was.
    """
    catalog, by = operations.catalog, operations.actor
    journal, manifest = _read_journal(place)
    tenant = catalog.tenants.get_by_id(place.tenant.id)
    if tenant.state is TenantState.ACTIVE:
        catalog.tenants.transition(tenant.id, TenantState.MAINTENANCE, reason=RESTORING, by=by)
        time.sleep(drain)
    place.old.mkdir(exist_ok=True, mode=0o700)
    if place.beside is None and manifest.database is not None:
        try:
            _exchange_rows(place, manifest, journal.get("transient", []))
        except TenantryError:
            if is_first:
                _undo(operations, place)
            raise
    _exchange_files(place)
    if place.beside is not None:
        _exchange_database(place)
    receive(operations.factory, tenant)
    schema = manifest.database.revision if manifest.database is not None else ""
    catalog.schemas.record(tenant.id, schema, by=by)
    restored = catalog.tenants.configure(tenant.id, settings=manifest.tenant.settings, by=by)
    detail = {"file": Path(journal["file"]).name, "created": manifest.created.isoformat()}
    catalog.audit.record("tenant.restore", tenant_id=tenant.id, detail=detail, by=by)
    restored = _reopen(operations, restored)
    place.journal.unlink()
    sync_folder(place.home)
    shutil.rmtree(place.parts)
    if place.beside is not None:
        with suppress(OSError):
            place.beside.rmdir()  # unless the old file is in it
    return restored


def _read_journal(place: RestorePaths) -> tuple[dict[str, Any], Manifest]:
    """Return what was decided.

    :raises BundleError: Nobody can tell: the disk has spoilt it.
    """
    try:
        journal: dict[str, Any] = json.loads(place.journal.read_text())
        return journal, read_manifest(json.dumps(journal["manifest"]).encode())
    except (ValueError, KeyError, TypeError) as error:
        problem = "it is damaged; remove it, and restore the tenant again from a backup"
        raise BundleError(str(place.journal), problem) from error


def _undo(operations: Operations, place: RestorePaths) -> None:
    """Forget a restore of which nothing was done."""
    _reopen(operations, place.tenant)
    place.journal.unlink()
    place.clear()


def _reopen(operations: Operations, tenant: Tenant) -> Tenant:
    """Serve the site again if it is a restore that closed it: others may have other reasons."""
    row = operations.catalog.tenants.get_row(tenant.slug)
    if row.tenant.state is not TenantState.MAINTENANCE or row.reason != RESTORING:
        return row.tenant
    return operations.catalog.tenants.transition(tenant.id, TenantState.ACTIVE, by=operations.actor)


def _exchange_rows(place: RestorePaths, manifest: Manifest, transient: list[str]) -> None:
    """Replace the rows in one transaction, after the present ones have been put aside."""
    before = place.old / "before.tenant"
    if not exists(before):
        with scratch_folder(place.settings.data_dir) as parts:
            present = gather(place.tenant, parts, settings=place.settings)
            write_bundle(before, present, parts)
    forget_move(place.database)  # of one that was killed: it may have closed it to writers
    rows = stored_tables(manifest, place.parts)
    fill_database(place.database, manifest, rows, name=place.tenant.slug)
    empty_tables(place.database, transient, name=place.tenant.slug)


def _exchange_files(place: RestorePaths) -> None:
    if not exists(place.files):
        return
    if exists(place.folder):
        place.folder.rename(_free(place.old / "folder"))
    place.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.files.rename(place.folder)
    sync_folder(place.folder.parent)
    sync_folder(place.old)


def _exchange_database(place: RestorePaths) -> None:
    assert isinstance(place.database, SiteDatabase)
    assert place.beside is not None
    new, path = place.beside / FILE_NAME, place.database.path
    if not exists(new):
        return
    if exists(path):  # in a folder of its own; otherwise it went aside with the files
        aside = place.beside / "old"
        aside.mkdir(mode=0o700, exist_ok=True)
        # The file last: a log that stays behind would be taken for the new file's.
        for suffix in ("-wal", "-shm", "-journal", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside / (path.name + suffix))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new.rename(path)
    sync_folder(path.parent)


def _free(path: Path) -> Path:
    """Return *path*, or one with a number if it is taken by an interrupted run."""
    number, free = 1, path
    while exists(free):
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
