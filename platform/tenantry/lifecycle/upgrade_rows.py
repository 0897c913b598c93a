"""Migrates a backup's rows from an older schema revision to the database's own.

The rows are filled into a scratch database at their own revision, the revisions since run there, and
the rows are read again. All that happens beside the site. Before a scratch schema is made on a server,
its name is noted in the restore's folder. If the command is killed, the next restore or a purge drops
it.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.bundles.row_members import dump_database, fill_database, stored_tables
from tenantry.databases.placements import database_at
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase
from tenantry.errors import UnknownSchemaError
from tenantry.files.atomic import rename, write_atomically
from tenantry.files.disk import exists
from tenantry.files.scratch import scratch_folder
from tenantry.migrations import load_history, upgrade
from tenantry.values.location import Location

if TYPE_CHECKING:
    from tenantry.bundles.manifest import Manifest
    from tenantry.databases.placements import TenantDatabase
    from tenantry.factory import Factory
    from tenantry.lifecycle.tenant_paths import TenantPaths
    from tenantry.migrations import History


def upgrade_rows(
    paths: TenantPaths, manifest: Manifest, factory: Factory, *, name: str
) -> Manifest:
    """Return the manifest of rows that fit the tenant's database; if they do, it is the same.

    Rows of a newer or unknown revision are left alone: they are refused later.

    :param name: What errors call the backup.
    :raises BundleError: The rows do not fit their own revision.
    :raises UpgradeError: A revision cannot be done to them.
    """
    assert manifest.database is not None
    if factory.migrations is None or not manifest.database.revision:
        return manifest
    history, present = load_history(factory.migrations), paths.database.revision()
    if present not in _since(manifest.database.revision, history):
        return manifest
    clear_scratch(paths)
    scratch = _make_scratch(paths)
    scratch.create()
    upgrade(scratch, history, to=manifest.database.revision)
    fill_database(scratch, manifest, stored_tables(manifest, paths.parts), name=name)
    upgrade(scratch, history, to=present)
    with scratch_folder(paths.settings.data_dir) as parts:
        database, tables = dump_database(scratch, parts, name=name)
        for member in manifest.tables:
            (paths.parts / member.name).unlink()
        for table in tables:
            rename(parts / table.name, paths.parts / table.name, lasting=False)
    clear_scratch(paths)
    return replace(manifest, database=database, tables=tables, counts={})


def clear_scratch(paths: TenantPaths) -> None:
    """Drop the scratch database of a restore that was interrupted, or is at its end."""
    note = paths.scratch_note
    if exists(note):
        placement, scratch_id = note.read_text().split()
        _on_server(paths, placement, scratch_id).drop()
        note.unlink()
    shutil.rmtree(paths.scratch, ignore_errors=True)


def _make_scratch(paths: TenantPaths) -> TenantDatabase:
    """Return a database of the same kind as the tenant's; it is not there yet."""
    if paths.database.file is not None:
        return SiteDatabase(paths.scratch / FILE_NAME)
    scratch_id = secrets.token_hex(16)
    write_atomically(paths.scratch_note, f"{paths.location.placement} {scratch_id}")
    return _on_server(paths, paths.location.placement, scratch_id)


def _since(revision: str, history: History) -> frozenset[str]:
    """Return the revisions that came after *revision*."""
    try:
        return frozenset(script.revision for script in history.path_from(revision))
    except UnknownSchemaError:
        return frozenset()


def _on_server(paths: TenantPaths, placement: str, scratch_id: str) -> TenantDatabase:
    return database_at(Location(scratch_id, placement), paths.settings, plan=paths.tenant.plan)
