"""Bringing a backup's rows from an older schema revision to the one that the tenant's database has.

They go the way that every tenant's have gone: into a scratch database at their own revision, through
the revisions since, and out again. All that happens beside the site. Before a scratch schema is made on
a server, its name is noted in the restore's folder, so that whoever comes after a killed one drops it.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from tenantry.bundles.archive import sync_folder
from tenantry.bundles.row_members import dump_database, fill_database, stored_tables
from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase
from tenantry.errors import UnknownSchemaError
from tenantry.files.disk import exists
from tenantry.files.scratch import scratch_folder
from tenantry.migrations import load_history, read_revision, upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.bundles.manifest import Manifest
    from tenantry.databases.placements import TenantDatabase
    from tenantry.factory import Factory
    from tenantry.lifecycle.restore_paths import RestorePaths
    from tenantry.migrations import History


def upgrade_rows(
    place: RestorePaths, manifest: Manifest, factory: Factory, *, name: str
) -> Manifest:
    """Return the manifest of rows that fit the tenant's database; if they do, it is the same.

    What is newer, or of another line of revisions, is left alone: it is refused later.

    :param name: What errors call the backup.
    :raises BundleError: The rows do not fit their own revision.
    :raises UpgradeError: A revision cannot be done to them.
    """
    assert manifest.database is not None
    if factory.migrations is None or not manifest.database.revision:
        return manifest
    history, present = load_history(factory.migrations), read_revision(place.database)
    if present not in _since(manifest.database.revision, history):
        return manifest
    clear_scratch(place)
    scratch = _make_scratch(place)
    scratch.create()
    upgrade(scratch, history, to=manifest.database.revision)
    fill_database(scratch, manifest, stored_tables(manifest, place.parts), name=name)
    upgrade(scratch, history, to=present)
    with scratch_folder(place.settings.data_dir) as parts:
        database, tables = dump_database(scratch, parts, name=name)
        for member in manifest.tables:
            (place.parts / member.name).unlink()
        for table in tables:
            (parts / table.name).rename(place.parts / table.name)
    clear_scratch(place)
    return replace(manifest, database=database, tables=tables, counts={})


def clear_scratch(place: RestorePaths) -> None:
    """Drop the scratch database of a restore that was interrupted, or is at its end."""
    note = _note(place)
    if exists(note):
        placement, scratch_id = note.read_text().split()
        _on_server(place, placement, scratch_id).drop()
        note.unlink()
    shutil.rmtree(_folder(place), ignore_errors=True)


def _make_scratch(place: RestorePaths) -> TenantDatabase:
    """Return a database of the kind of the tenant's own, which is not there yet."""
    if place.database.kind == "sqlite":
        return SiteDatabase(_folder(place) / FILE_NAME)
    scratch_id = secrets.token_hex(16)
    partial = _note(place).with_suffix(".partial")
    partial.write_text(f"{place.tenant.placement} {scratch_id}")
    partial.rename(_note(place))
    sync_folder(place.home)
    return _on_server(place, place.tenant.placement, scratch_id)


def _since(revision: str, history: History) -> frozenset[str]:
    """Return the revisions that came after *revision*."""
    try:
        return frozenset(script.revision for script in history.path_from(revision))
    except UnknownSchemaError:
        return frozenset()


def _on_server(place: RestorePaths, placement: str, scratch_id: str) -> TenantDatabase:
    tenant = replace(place.tenant, id=scratch_id, placement=placement)
    return tenant_database(tenant, place.settings)


def _note(place: RestorePaths) -> Path:
    return place.home / "older.schema"


def _folder(place: RestorePaths) -> Path:
    return place.home / "older"
