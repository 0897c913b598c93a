"""Checks an untrusted bundle before its data is used: sizes, quota, schema."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from tenantry.bundles.sqlite_pages import Known, read_schema
from tenantry.databases.sqlite_file import FILE_NAME, SiteDatabase
from tenantry.errors import (
    BundleError,
    BundleRoomError,
    ProvisionError,
    TenantryError,
    UnknownSchemaError,
)
from tenantry.files.scratch import scratch_folder
from tenantry.migrations import load_history, upgrade
from tenantry.migrations.sqlite_template import sqlite_template

if TYPE_CHECKING:
    from tenantry.bundles.manifest import Manifest
    from tenantry.bundles.sqlite_pages import Schema
    from tenantry.databases.placements import TenantDatabase
    from tenantry.factory import Factory
    from tenantry.migrations import History
    from tenantry.settings import PlanLimits, Settings
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)
MIB = 1 << 20


def check_room(manifest: Manifest, settings: Settings, *, name: str) -> None:
    """Make sure that the data folder has room for what the file unpacks to.

    :param name: What errors call the file.
    :raises BundleRoomError: It has not.
    """
    free = shutil.disk_usage(settings.data_dir).free
    if manifest.size > free:
        problem = f"it unpacks to {manifest.size} bytes and the data folder has room for {free}"
        raise BundleRoomError(name, problem)


def check_quota(manifest: Manifest, limits: PlanLimits, *, name: str) -> None:
    """Make sure that the plan of a new tenant has room for what is in the file.

    Rows take a different size in each kind of database, so only a database file is compared.

    :raises BundleError: It has more.
    """
    database = manifest.pages.size if manifest.pages is not None else 0
    media = sum(file.size for file in manifest.files)
    for what, size, limit in (
        ("database", database, limits.database_mb),
        ("files", media, limits.media_mb),
    ):
        if limit is not None and size > limit * MIB:
            problem = f"its {what} take {size} bytes and the plan has room for {round(limit * MIB)}"
            raise BundleError(name, f"{problem}; choose a plan with --plan")


def known_schemas(
    manifest: Manifest,
    factory: Factory,
    settings: Settings,
    *,
    present: TenantDatabase | None = None,
    name: str,
) -> Known:
    """Return the schemas that a SQLite database in the file may have.

    They are the one that the factory's revisions make, up to the one that the file says, and the one
    that the tenant has now: a site that has grown over years may differ from a new one by a word.
    Without revisions the tables are unknown: then only what runs by itself (views, triggers) is
    compared.

    :param present: The tenant's database as it is now.
    :raises BundleError: This release does not know the revision, or the file says none.
    """
    if manifest.pages is None or manifest.database is None:
        return Known()
    schemas = []
    file = present.file if present is not None and present.exists() else None
    if present is not None and file is not None and not present.is_empty():
        with suppress(BundleError):  # a damaged database may be the reason for the restore
            schemas.append(read_schema(file, is_ours=True, name=name))
    if factory.migrations is None:
        return Known(tuple(schemas))
    revision = manifest.database.revision
    if revision:
        history = load_history(factory.migrations)
        schemas.append(_schema_at(revision, history, settings, name=name))
    elif not schemas:
        raise BundleError(name, "its database has no schema revision, but sites here have one")
    return Known(tuple(schemas), is_exact=True)


def _schema_at(revision: str, history: History, settings: Settings, *, name: str) -> Schema:
    try:
        history.path_from(revision)
    except UnknownSchemaError as error:
        known = f"this release does not know it; its newest is {history.head}"
        problem = f"its data is at schema revision {revision[:40]}, and {known}"
        raise BundleError(name, problem) from error
    if revision == history.head:
        template = sqlite_template(history, settings.templates_dir)
        return read_schema(template, is_ours=True, name=name)
    with scratch_folder(settings.data_dir) as folder:
        made = SiteDatabase(folder / "expected" / FILE_NAME)
        made.create()
        upgrade(made, history, to=revision)
        return read_schema(made.path, is_ours=True, name=name)


def receive(factory: Factory, tenant: Tenant) -> None:
    """Let the factory look over data that came out of a file.

    :raises ProvisionError: Its hook failed; the traceback is logged.
    """
    try:
        factory.receive(tenant)
    except TenantryError:
        raise
    except Exception as error:
        log.exception("the data that tenant %s (%s) received was refused", tenant.slug, tenant.id)
        raise ProvisionError(tenant.slug, f"{type(error).__name__}: {error}") from error
