"""Where everything of a tenant is: its folder, its bundles, what a restore prepares and keeps."""

from __future__ import annotations

import shutil
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.bundles.manifest import FILES
from tenantry.databases.placements import database_at
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase
from tenantry.files.disk import exists
from tenantry.files.locks import restore_journal
from tenantry.values.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenantry.databases.placements import TenantDatabase
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


class TenantPaths:
    """The paths of one tenant at a placement.

    :param location: By default where it lives; a tenant that moves is at two places.
    """

    def __init__(
        self, tenant: Tenant, settings: Settings, *, location: Location | None = None
    ) -> None:
        self.tenant = tenant
        self.location = location or tenant.location
        self.settings = settings
        self.folder = settings.tenant_dir(tenant.id)
        self.backups = backups_dir(settings) / f"t_{tenant.id}"
        self.last_bundle = settings.last_bundle(tenant.id)
        self.journal = restore_journal(tenant, settings.files_home)
        self.restore = self.journal.parent
        """What a restore prepares, and what it has replaced."""
        self.parts = self.restore / "parts"
        self.files = self.parts / FILES
        self.replaced = self.restore / "old"
        self.scratch = self.restore / "older"
        self.scratch_note = self.restore / "older.schema"

    @cached_property
    def database(self) -> TenantDatabase:
        """The tenant's database at the placement.

        :raises UnknownPlacementError: The settings do not name it.
        """
        return database_at(self.location, self.settings, plan=self.tenant.plan)

    @property
    def backup_folders(self) -> tuple[Path, ...]:
        """Where backups of it are: its usual folder, and that of the daily ones, if it is another."""
        daily = self.settings.backup_dir
        others = () if not daily else (Path(daily) / self.backups.name,)
        return tuple(dict.fromkeys((self.backups, *others)))

    @property
    def beside(self) -> Path | None:
        """The folder for a SQLite file beside the tenant's own, on the same disk."""
        if self.database.file is None:
            return None
        folder = self.database.file.parent
        return folder.with_name(f"{folder.name}.restore")

    @property
    def kept(self) -> Path:
        """Where the data is that the last restore replaced."""
        beside = self.beside and self.beside / "old"
        return self.replaced if beside is None or not exists(beside) else beside

    def clear(self) -> None:
        """Remove what an interrupted restore has left; what a restore replaced stays."""
        shutil.rmtree(self.parts, ignore_errors=True)
        if self.beside is not None:
            for name in (FILE_NAME, "copy"):
                SiteDatabase(self.beside / name).drop()
            with suppress(OSError):
                self.beside.rmdir()  # unless what was replaced is in it

    def forget(self) -> None:
        """Remove what the last restore replaced."""
        for folder in (self.replaced, self.beside and self.beside / "old"):
            if folder is not None and exists(folder):
                shutil.rmtree(folder)


def backups_dir(settings: Settings) -> Path:
    """Return the folder of all tenants' backups, unless a command names another."""
    return settings.files_home / "backups"


def find_paths(operations: Operations, tenant: Tenant) -> tuple[TenantPaths, ...]:
    """Return the tenant's paths where it lives, where it lived before, and where a killed move went."""
    row = operations.catalog.tenants.get_row(tenant.slug)
    names = (tenant.placement, row.former_placement, row.moving_to)
    return tuple(
        TenantPaths(tenant, operations.settings, location=Location(tenant.id, name))
        for name in dict.fromkeys(names)
        if name
    )


def folders_of(everywhere: Iterable[TenantPaths]) -> tuple[Path, ...]:
    """Return the folders of the tenant's files, and of what restores have prepared and replaced."""
    folders = [
        folder for paths in everywhere for folder in (paths.folder, paths.restore, paths.beside)
    ]
    return tuple(folder for folder in dict.fromkeys(folders) if folder is not None)
