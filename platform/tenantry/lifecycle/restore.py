"""Restores a tenant from a backup, without changing another tenant.

Everything is unpacked and checked beside the site first, while it serves. Once the journal is written,
the restore will happen: if the command is interrupted, the same command goes on where it stopped. The
replaced data stays beside the site until the next restore.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from tenantry.bundles.archive import open_bundle
from tenantry.bundles.instance_files import make_folders
from tenantry.bundles.manifest import PAGES, Manifest
from tenantry.bundles.row_members import check_schema, dump_database, fill_database, stored_tables
from tenantry.bundles.sqlite_pages import check_pages
from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.databases.placements import check_here
from tenantry.databases.refusal import first_line
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase, copy_file
from tenantry.errors import BundleError
from tenantry.files.atomic import rename, sync_folder, write_atomically
from tenantry.files.disk import exists
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.backup import list_backups
from tenantry.lifecycle.create import provision
from tenantry.lifecycle.export import WITHOUT_DATA
from tenantry.lifecycle.restore_exchange import RESTORING, finish
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.lifecycle.untrusted_bundles import check_room, known_schemas
from tenantry.lifecycle.upgrade_rows import clear_scratch, upgrade_rows
from tenantry.rows.dialects import dialect_of
from tenantry.rows.tables import tables_of
from tenantry.rows.transient import empty_tables
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.factory import Factory
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

DRAIN_SECONDS = 0.5
"""Between closing the site and changing its data, for requests that are under way."""


def restore_tenant(
    operations: Operations,
    slug: str,
    path: Path | None = None,
    *,
    passphrase: bytes | None = None,
    drain: float = DRAIN_SECONDS,
    with_settings: bool = True,
) -> Tenant:
    """Bring a tenant's data back as it was; an interrupted restore is finished first.

    The site answers 503 while its data is exchanged. Its name, plan, hosts and owners stay as they are.

    :param path: The backup; by default the newest one. After an interruption, by default none.
    :param drain: Seconds between closing the site and changing its data.
    :param with_settings: Whether the site's settings are brought back, too: not from a file that
        anybody may have made.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantLockedError: Another operation is at work on it.
    :raises BundleError: The backup is damaged, of another tenant, or does not fit; nothing changed.
    """
    catalog, settings = operations.catalog, operations.settings
    tenant = _get_restorable(operations, slug)
    with tenant_lock(tenant, "restored", settings=settings):
        paths = TenantPaths(catalog.tenants.get_by_id(tenant.id), settings)
        if exists(paths.journal):
            tenant = finish(operations, paths, drain=drain, is_replaced=path is not None)
            if path is None:
                return tenant
            paths = TenantPaths(tenant, settings)
        _clear(paths)
        chosen = operations.choose_backup(slug, path)
        assert chosen is not None  # there is no journal any more
        operations.step("Unpack and check the backup")
        try:
            _make_schema_anew(operations, paths)
            _prepare(
                paths,
                chosen,
                operations.factory,
                passphrase=passphrase,
                with_settings=with_settings,
            )
        except BaseException as error:
            if exists(paths.journal):
                raise  # the restore is decided; the next one finishes it
            _clear(paths)
            if isinstance(error, (sqlite3.Error, DBAPIError, OSError)):
                raise BundleError(slug, f"it cannot be restored ({first_line(error)})") from error
            raise
        operations.step("Exchange the data while the site is closed")
        return finish(operations, paths, drain=drain, is_first=True)


def choose_backup(operations: Operations, slug: str, path: Path | None = None) -> Path | None:
    """Return the file that a restore would read: *path*, or the tenant's newest backup.

    It is ``None`` if an interrupted restore is to be finished.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BundleError: There is no backup of it.
    """
    paths = TenantPaths(operations.catalog.tenants.get(slug), operations.settings)
    check_here(paths.location.placement, operations.settings)  # its backups are there, too
    if path is not None or exists(paths.journal):
        return path
    for found in list_backups(paths):
        return found
    raise BundleError(slug, f"there is no backup of it in {paths.backups}; name one with --from")


def preview_restore(
    operations: Operations,
    slug: str,
    path: Path | None = None,
    *,
    passphrase: bytes | None = None,
) -> Manifest | None:
    """Return what :func:`restore_tenant` would bring back; the whole file is checked.

    It is ``None`` if an interrupted restore would be finished.
    """
    tenant = _get_restorable(operations, slug)
    chosen = operations.choose_backup(slug, path)
    if chosen is None:
        return None
    manifest = operations.verify(chosen, passphrase=passphrase)
    check_owner(manifest, tenant, chosen)
    return manifest


def _get_restorable(operations: Operations, slug: str) -> Tenant:
    tenant = operations.catalog.tenants.get(slug)
    if tenant.state in WITHOUT_DATA:
        raise BundleError(slug, f"it is {tenant.state}; import the backup as a new tenant instead")
    check_here(tenant.placement, operations.settings)
    return tenant


def _make_schema_anew(operations: Operations, paths: TenantPaths) -> None:
    """Make an empty schema for a tenant whose server has lost it; the site is closed first."""
    if paths.database.file is not None or paths.database.exists():
        return
    if paths.tenant.state is TenantState.ACTIVE:
        operations.catalog.tenants.transition(
            paths.tenant.id, TenantState.MAINTENANCE, reason=RESTORING, by=operations.actor
        )
    provision(operations, paths.tenant)


def _clear(paths: TenantPaths) -> None:
    clear_scratch(paths)
    paths.clear()


def check_owner(manifest: Manifest, tenant: Tenant, path: Path) -> None:
    """Refuse another tenant's backup: its data must never open as this one's.

    :raises BundleError: It is not.
    """
    if manifest.tenant.id != tenant.id:
        problem = (
            f"it belongs to another tenant ({manifest.tenant.slug!r}) and not of {tenant.slug!r}"
        )
        raise BundleError(
            str(path), f"{problem}; `tenantry tenant import` creates a new one from it"
        )


def _prepare(
    paths: TenantPaths,
    path: Path,
    factory: Factory,
    *,
    passphrase: bytes | None,
    with_settings: bool,
) -> None:
    """Unpack and check everything beside the site; at the end write the journal."""
    paths.parts.mkdir(parents=True, mode=0o700)
    paths.files.mkdir(mode=0o700)
    (paths.parts / "database").mkdir(mode=0o700)
    with open_bundle(path, passphrase=passphrase) as bundle:
        check_owner(bundle.manifest, paths.tenant, path)
        check_room(bundle.manifest, paths.settings, name=str(path))
        for member, content in bundle.members():
            target = paths.parts / member.name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with target.open("xb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
        manifest = bundle.manifest
    make_folders(manifest.folders, paths.files)
    if manifest.database is not None:
        manifest = _prepare_database(paths, manifest, factory, name=str(path))
    elif paths.database.exists():
        raise BundleError(str(path), "it has no database, and the site has one")
    for folder, _, _ in os.walk(paths.parts):
        sync_folder(Path(folder))
    paths.forget()
    journal = {
        "file": str(path),
        "manifest": json.loads(manifest.to_json()),
        "transient": list(factory.transient_tables),
        "with_settings": with_settings,
    }
    write_atomically(paths.journal, json.dumps(journal))


def _prepare_database(
    paths: TenantPaths, manifest: Manifest, factory: Factory, *, name: str
) -> Manifest:
    """Make the new SQLite file, or the rows for a server, and check them."""
    pages = paths.parts / PAGES
    transient = factory.transient_tables
    if manifest.pages is not None:
        known = known_schemas(manifest, factory, paths.settings, present=paths.database, name=name)
        check_pages(pages, manifest, known, name=name)
        empty_tables(SiteDatabase(pages), transient, name=name)
    if paths.beside is not None:
        assert paths.database.file is not None
        paths.beside.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = SiteDatabase(paths.beside / FILE_NAME)
        if manifest.pages is not None:
            copy_file(pages, made.path)
        else:
            manifest = upgrade_rows(paths, manifest, factory, name=name)
            # The present file has the schema that the rows ask for, or the fill refuses them.
            copy_file(paths.database.file, made.path)
            fill_database(made, manifest, stored_tables(manifest, paths.parts), name=name)
            empty_tables(made, transient, name=name)
            copy = made.path.with_name("copy")
            copy_file(made.path, copy)  # one file, without a log beside it
            made.drop()
            rename(copy, made.path, lasting=False)
        sync_folder(paths.beside)
        return manifest
    if manifest.pages is not None:
        with scratch_folder(paths.settings.data_dir) as parts:
            database, tables = dump_database(SiteDatabase(pages), parts, name=name)
            for table in tables:
                rename(parts / table.name, paths.parts / table.name, lasting=False)
        manifest = replace(manifest, database=database, tables=tables, pages=None, counts={})
    manifest = upgrade_rows(paths, manifest, factory, name=name)
    side, engine = dialect_of(paths.database.kind), paths.database.open_engine()
    with side.reading(engine) as connection:
        check_schema(connection, tables_of(connection, side), manifest, name=name)
    engine.dispose()
    return manifest
