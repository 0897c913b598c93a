"""Backs up tenants into bundles, skips unchanged ones, and removes old backups."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenantry.bundles.archive import needs_passphrase, open_bundle, write_bundle
from tenantry.bundles.instance_files import copy_files
from tenantry.bundles.manifest import PAGES
from tenantry.bundles.sqlite_pages import check_copy, describe_pages
from tenantry.catalog.tenant_locks import name_lock
from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite_file import SiteDatabase, copy_file
from tenantry.errors import BundleError
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.export import WITHOUT_DATA, describe, gather, reading
from tenantry.lifecycle.missing_databases import check_present
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.relocation.transfer import forget_move

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tenantry.bundles.manifest import Manifest
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

SUFFIX = ".tenant"
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_QUIET_SECONDS = 2.0
"""A file that was written to as short ago as this may be written to again without looking newer."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup, as far as it can be told without unpacking it."""

    path: Path
    created: datetime
    size: int
    manifest: Manifest | None
    """``None`` if it is encrypted, or damaged at its beginning."""
    problem: str = ""
    """Why it cannot be read."""
    is_new: bool = False
    """Whether it was made now; otherwise nothing has changed since."""


def backup_tenant(
    operations: Operations,
    slug: str,
    *,
    folder: Path | None = None,
    keep: int | None = None,
    passphrase: bytes | None = None,
) -> Backup:
    """Back a tenant up while its site is in use, and return its newest backup.

    A SQLite file is copied by its pages. If nothing has changed since the last backup, that one is
    returned.

    :param folder: Where tenants' folders of backups are.
    :param keep: How many backups of this tenant stay there; by default all. Among the daily ones, as
        many stay in the usual folder, too.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantLockedError: Another operation is at work on it.
    :raises UnfinishedError: A restore of it was interrupted.
    :raises BundleError: Something of it cannot be read or written.
    """
    catalog, settings = operations.catalog, operations.settings
    tenant = catalog.tenants.get(slug)
    if tenant.state in WITHOUT_DATA:
        raise BundleError(slug, f"it is {tenant.state} and has no data to back up")
    paths = TenantPaths(tenant, settings)
    home = paths.backups if folder is None else folder / paths.backups.name
    with (
        reading(tenant, "backed up", settings=settings),
        name_lock(f"backup-{tenant.id}", what=slug, settings=settings),
    ):
        check_present(operations, tenant)
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in home.glob(".*.draft"):
            left.unlink()  # of a command that was killed: the next one has another name
        made = _back_up(operations, tenant, home, passphrase=passphrase)
        if keep is not None:
            # Owners' and restores' backups are in the usual folder, wherever the daily ones are.
            is_daily = home == paths.backup_folders[-1]
            for place in paths.backup_folders if is_daily else (home,):
                _thin_out(place, keep)
        catalog.backups.record(tenant.id, file=made.path.name, made_at=made.created, size=made.size)
    if made.is_new:
        detail = {"file": made.path.name, "size": made.size}
        catalog.audit.record(
            "tenant.backup", tenant_id=tenant.id, detail=detail, by=operations.actor
        )
    return made


def _back_up(
    operations: Operations, tenant: Tenant, home: Path, *, passphrase: bytes | None
) -> Backup:
    settings = operations.settings
    last = next(iter(read_backups(home, passphrase=passphrase)), None)
    before = last.manifest if last is not None else None
    fingerprint = find_fingerprint(tenant, settings)
    if (
        last is not None
        and before is not None
        and fingerprint
        and before.fingerprint == fingerprint
        and before.tenant == describe(tenant).tenant
    ):
        return last
    operations.step("Copy the database and the files")
    with scratch_folder(settings.data_dir) as parts:
        manifest = gather_pages(tenant, parts, settings=settings)
        if last is not None and before is not None:
            if manifest.database is None and before.database is not None:
                problem = f"its database is missing, and was at {last.created:%Y-%m-%d %H:%M} UTC"
                raise BundleError(tenant.slug, problem)
            if _same(before, manifest):
                return last
        manifest = replace(manifest, fingerprint=fingerprint)
        operations.step("Write the backup")
        path = home / (datetime.now(UTC).strftime(_STAMP) + SUFFIX)
        size = write_bundle(path, manifest, parts, passphrase=passphrase)
    return Backup(path, manifest.created, size, manifest, is_new=True)


def gather_pages(tenant: Tenant, parts: Path, *, settings: Settings) -> Manifest:
    """Write all data of the tenant below *parts*: a SQLite file as its pages, other databases as rows.

    :raises BundleError: Something of it cannot be read.
    """
    database = tenant_database(tenant, settings)
    if database.file is None or not database.exists():
        return gather(tenant, parts, settings=settings)
    copy = parts / PAGES
    copy.parent.mkdir(mode=0o700)
    try:
        copy_file(database.file, copy)
    except (OSError, sqlite3.Error) as error:
        raise BundleError(tenant.slug, f"its database cannot be read ({error})") from error
    check_copy(copy, name=tenant.slug)
    forget_move(SiteDatabase(copy))  # what a killed move has left does not belong to the site
    described, pages, counts = describe_pages(copy, name=tenant.slug)
    copied = copy_files(settings.tenant_dir(tenant.id), parts, name=tenant.slug)
    return describe(tenant, copied, database=described, pages=pages, counts=counts)


def find_fingerprint(tenant: Tenant, settings: Settings) -> str:
    """Return a digest that changes with the tenant's files; it is empty if the clock cannot tell yet.

    Every commit of SQLite writes to the file or to its log. A file of which the last change is too
    fresh could change once more within what the clock of the file system tells apart.
    """
    file = tenant_database(tenant, settings).file
    if file is None:
        return ""
    paths = [file, file.with_name(file.name + "-wal")]
    folder = settings.tenant_dir(tenant.id)
    paths += sorted(path for path in folder.rglob("*") if not path.name.startswith(file.name))
    summed, newest = hashlib.sha256(), 0
    for path in paths:
        with suppress(FileNotFoundError):
            found = path.lstat()
            if found.st_size or not path.name.endswith("-wal"):
                newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
                entry = (str(path), found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode)
                summed.update(repr(entry).encode())
    if time.time() - newest / 1e9 < _QUIET_SECONDS:
        return ""
    return summed.hexdigest()


def _same(one: Manifest, other: Manifest) -> bool:
    created, fingerprint = one.created, one.fingerprint
    return one == replace(other, created=created, fingerprint=fingerprint)


def read_backups(home: Path, *, passphrase: bytes | None = None) -> Iterator[Backup]:
    """Yield the backups of one tenant's folder, the newest first. Their content is not checked."""
    for path in sorted(home.glob(f"*{SUFFIX}"), reverse=True):
        if _read_stamp(path) is not None:
            yield read_backup(path, passphrase=passphrase)


def read_backup(path: Path, *, passphrase: bytes | None = None) -> Backup:
    """Return what is known of a backup without unpacking it."""
    created = _read_stamp(path)
    assert created is not None  # a backup's name is its moment
    manifest, problem = None, ""
    try:
        if passphrase is not None or not needs_passphrase(path):
            with open_bundle(path, passphrase=passphrase) as bundle:
                manifest = bundle.manifest
    except BundleError as error:
        problem = error.problem
    return Backup(path, created, path.stat().st_size, manifest, problem)


def read_listed(paths: Iterable[Path]) -> list[Backup]:
    """Return what is known of these backups; one that was thinned out meanwhile is left out."""
    found = []
    for path in paths:
        with suppress(FileNotFoundError):
            found.append(read_backup(path))
    return found


def list_backup_names(operations: Operations, slug: str) -> tuple[str, ...]:
    """Return the names of a tenant's backups, the newest first; of another node's only that one.

    :raises TenantNotFoundError: No tenant has the slug.
    """
    tenant = operations.catalog.tenants.get(slug)
    if operations.settings.find_other_node(tenant.placement):
        newest = operations.catalog.backups.find([tenant.id]).get(tenant.id)
        return () if newest is None else (newest.file,)
    paths = TenantPaths(tenant, operations.settings)
    return tuple(path.name for path in list_backups(paths))


def list_backups(paths: TenantPaths) -> tuple[Path, ...]:
    """Return a tenant's backups in the data folder and in that of the daily ones, the newest first."""
    found = [path for home in paths.backup_folders for path in home.glob(f"*{SUFFIX}")]
    dated = (path for path in found if _read_stamp(path) is not None)
    return tuple(sorted(dated, key=lambda path: path.name, reverse=True))


def _thin_out(home: Path, keep: int) -> None:
    names = sorted(path for path in home.glob(f"*{SUFFIX}") if _read_stamp(path) is not None)
    for path in names[: max(0, len(names) - keep)]:
        path.unlink(missing_ok=True)


def _read_stamp(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.name.removesuffix(SUFFIX), _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None
