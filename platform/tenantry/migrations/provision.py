"""Creates a tenant's database at the newest schema revision from a template."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from tenantry.databases.placements import is_schema, tenant_database
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.files.atomic import sync_folder
from tenantry.migrations.history import load_history
from tenantry.migrations.sqlite_template import sqlite_template
from tenantry.migrations.upgrade import read_revision, upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def provision_database(tenant: Tenant, settings: Settings, migrations: Path) -> None:
    """Make the tenant's database, if it is not there; one that has a schema is left as it is.

    :param migrations: The factory's Alembic folder.
    """
    database = tenant_database(tenant, settings)
    history = load_history(migrations)
    if is_schema(database):
        from tenantry.migrations.postgresql_template import make_schema  # noqa: PLC0415 - the driver

        make_schema(database, history, settings.templates_dir)
        return
    assert isinstance(database, SiteDatabase)
    for left in database.path.parent.glob(f".{database.path.name}.draft-*"):
        left.unlink(missing_ok=True)  # of a process that was killed: only one makes a tenant
    if not database.exists():
        _copy(sqlite_template(history, settings.templates_dir), database.path)
    elif not read_revision(database):
        database.create()
        upgrade(database, history)


def _copy(template: Path, path: Path) -> None:
    """Put a copy of *template* at *path*: whole, and never over another one; it lasts afterwards."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    draft = folder / f".{path.name}.draft-{secrets.token_hex(4)}"
    try:
        with template.open("rb") as source, os.fdopen(_open_new(draft), "wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            # Its name comes before it lasts: a journal then takes file and folders in one write.
            # Nobody is let in to the site before this returns.
            with suppress(FileExistsError):  # another process was faster
                os.link(draft, path)
            draft.unlink()
            os.fsync(target.fileno())
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(folder)
    sync_folder(folder.parent)


def _open_new(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
