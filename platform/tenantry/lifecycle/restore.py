"""Restoring a tenant from a backup: its own data and nobody else's, to the end or not at all.

Everything is unpacked and checked beside the site first, while it serves. Once the journal is written
the restore will happen: whatever ends the command, the same command goes on where it stopped. What
was there before stays beside it until the next restore.
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

from tenantry.bundles.archive import open_bundle, sync_folder
from tenantry.bundles.instance_files import make_folders
from tenantry.bundles.manifest import PAGES, Manifest
from tenantry.bundles.row_members import check_schema, dump_database, fill_database, stored_tables
from tenantry.bundles.sqlite_pages import check_pages
from tenantry.databases.refusal import first_line
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase, copy_file
from tenantry.errors import BundleError
from tenantry.files.disk import exists
from tenantry.files.locks import tenant_lock
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.backup import backups_dir
from tenantry.lifecycle.create import provision
from tenantry.lifecycle.export import WITHOUT_DATA
from tenantry.lifecycle.restore_paths import RESTORING, RestorePaths, finish
from tenantry.lifecycle.untrusted_bundles import check_room, known_schemas
from tenantry.lifecycle.upgrade_rows import clear_scratch, upgrade_rows
from tenantry.rows.dialects import dialect_of
from tenantry.rows.tables import tables_of
from tenantry.rows.transient import empty_tables
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from tenantry.factory import Factory
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
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
) -> Tenant:
    """Bring a tenant's data back as it was; a restore that was interrupted is finished first.

    The site answers 503 while its data is exchanged. Its name, plan, hosts and owners stay as they are.

    :param path: The backup; by default the newest one. After an interruption, by default none.
    :param drain: Seconds between closing the site and changing its data.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantLockedError: Another operation is at work on it.
    :raises BundleError: The backup is damaged, of another tenant, or does not fit; nothing changed.
    """
    catalog, settings = operations.catalog, operations.settings
    tenant = _get_restorable(operations, slug)
    with tenant_lock(tenant, "restored", settings=settings):
        place = RestorePaths(catalog.tenants.get_by_id(tenant.id), settings)
        if exists(place.journal):
            tenant = finish(operations, place, drain=drain)
            if path is None:
                return tenant
            place = RestorePaths(tenant, settings)
        _clear(place)
        chosen = path if path is not None else newest_backup(tenant, settings)
        try:
            _make_schema_anew(operations, place)
            _prepare(place, chosen, operations.factory, passphrase=passphrase)
        except BaseException as error:
            if exists(place.journal):
                raise  # it is decided; the next restore finishes it
            _clear(place)
            if isinstance(error, (sqlite3.Error, DBAPIError, OSError)):
                raise BundleError(slug, f"it cannot be restored ({first_line(error)})") from error
            raise
        return finish(operations, place, drain=drain, is_first=True)


def choose_backup(operations: Operations, slug: str, path: Path | None = None) -> Path | None:
    """Return the file that a restore would read: *path*, or the tenant's newest backup.

    It is ``None`` if an interrupted restore is to be finished.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises BundleError: There is no backup of it.
    """
    tenant = operations.catalog.tenants.get(slug)
    if path is not None:
        return path
    if exists(RestorePaths(tenant, operations.settings).journal):
        return None
    return newest_backup(tenant, operations.settings)


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
    return tenant


def _make_schema_anew(operations: Operations, place: RestorePaths) -> None:
    """Give a tenant whose server has lost its schema an empty one, which nobody gets to see."""
    if place.database.kind == "sqlite" or place.database.exists():
        return
    if place.tenant.state is TenantState.ACTIVE:
        operations.catalog.tenants.transition(
            place.tenant.id, TenantState.MAINTENANCE, reason=RESTORING, by=operations.actor
        )
    provision(operations, place.tenant)


def _clear(place: RestorePaths) -> None:
    clear_scratch(place)
    place.clear()


def newest_backup(tenant: Tenant, settings: Settings) -> Path:
    """Return the tenant's newest backup in the data folder.

    :raises BundleError: There is none.
    """
    home = backups_dir(settings) / f"t_{tenant.id}"
    for path in sorted(home.glob("*.tenant"), reverse=True):
        return path
    raise BundleError(tenant.slug, f"there is no backup of it in {home}; name one with --from")


def check_owner(manifest: Manifest, tenant: Tenant, path: Path) -> None:
    """Make sure that a backup is this tenant's: what is another one's must never open as its own.

    :raises BundleError: It is not.
    """
    if manifest.tenant.id != tenant.id:
        problem = f"it is of another tenant ({manifest.tenant.slug!r}) and not of {tenant.slug!r}"
        raise BundleError(str(path), f"{problem}; `tenantry tenant import` makes a new one of it")


def _prepare(
    place: RestorePaths, path: Path, factory: Factory, *, passphrase: bytes | None
) -> None:
    """Unpack and check everything beside the site; at the end write the journal."""
    place.parts.mkdir(parents=True, mode=0o700)
    place.files.mkdir(mode=0o700)
    (place.parts / "database").mkdir(mode=0o700)
    with open_bundle(path, passphrase=passphrase) as bundle:
        check_owner(bundle.manifest, place.tenant, path)
        check_room(bundle.manifest, place.settings, name=str(path))
        for member, content in bundle.members():
            target = place.parts / member.name
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with target.open("xb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
        manifest = bundle.manifest
    make_folders(manifest.folders, place.files)
    if manifest.database is not None:
        manifest = _prepare_database(place, manifest, factory, name=str(path))
    elif place.database.exists():
        raise BundleError(str(path), "it has no database, and the site has one")
    for folder, _, _ in os.walk(place.parts):
        sync_folder(Path(folder))
    place.forget()
    journal = {
        "file": str(path),
        "manifest": json.loads(manifest.to_json()),
        "transient": list(factory.transient_tables),
    }
    partial = place.journal.with_suffix(".partial")
    with partial.open("w") as text:
        json.dump(journal, text)
        text.flush()
        os.fsync(text.fileno())
    partial.rename(place.journal)
    sync_folder(place.home)


def _prepare_database(
    place: RestorePaths, manifest: Manifest, factory: Factory, *, name: str
) -> Manifest:
    """Make the new SQLite file, or the rows for a server, and check them."""
    pages = place.parts / PAGES
    transient = factory.transient_tables
    if manifest.pages is not None:
        known = known_schemas(manifest, factory, place.settings, present=place.database, name=name)
        check_pages(pages, manifest, known, name=name)
        empty_tables(SiteDatabase(pages), transient, name=name)
    if place.beside is not None:
        assert isinstance(place.database, SiteDatabase)
        place.beside.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = SiteDatabase(place.beside / FILE_NAME)
        if manifest.pages is not None:
            copy_file(pages, made.path)
        else:
            manifest = upgrade_rows(place, manifest, factory, name=name)
            # The present file has the schema that the rows ask for, or the fill refuses them.
            copy_file(place.database.path, made.path)
            fill_database(made, manifest, stored_tables(manifest, place.parts), name=name)
            empty_tables(made, transient, name=name)
            copy = made.path.with_name("copy")
            copy_file(made.path, copy)  # one file, without a log beside it
            made.drop()
            copy.rename(made.path)
        sync_folder(place.beside)
        return manifest
    if manifest.pages is not None:
        with scratch_folder(place.settings.data_dir) as parts:
            database, tables = dump_database(SiteDatabase(pages), parts, name=name)
            for table in tables:
                (parts / table.name).rename(place.parts / table.name)
        manifest = replace(manifest, database=database, tables=tables, pages=None, counts={})
    manifest = upgrade_rows(place, manifest, factory, name=name)
    side, engine = dialect_of(place.database.kind), place.database.open_engine()
    with side.reading(engine) as connection:
        check_schema(connection, tables_of(connection, side), manifest, name=name)
    engine.dispose()
    return manifest
