"""Moves a tenant's database to another placement while its site is in use.

Pages can be read all the time. Nothing can be written from the moment when the old database is closed
to writers until the workers see the new placement, at their next request. The catalog alone says which
database is the right one. The next move undoes one that was interrupted.
"""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tenantry.bundles.instance_files import find_app_databases
from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.databases.placements import choose_placement, database_at, tenant_database
from tenantry.errors import MoveError, NoRoomError, ProvisionError, TenantryError
from tenantry.files.disk import exists
from tenantry.files.locks import check_finished
from tenantry.lifecycle.create import provision
from tenantry.lifecycle.export import WITHOUT_DATA
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.lifecycle.trial import find_failure
from tenantry.migrations import load_history
from tenantry.relocation.transfer import Transfer, count_rows, forget_move
from tenantry.values.location import Location

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.databases.placements import TenantDatabase
    from tenantry.factory import Factory
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MovePreview:
    """A move that can be made."""

    tenant: Tenant
    to: str
    source: TenantDatabase
    target: TenantDatabase
    left: str
    """Where an interrupted move has left something; empty if there is nothing."""

    @property
    def rows(self) -> int:
        """How many rows there are to bring."""
        return count_rows(self.source)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move has done."""

    tenant: Tenant
    before: str
    rows: int
    replayed: int
    """Changes that were made meanwhile."""
    closed: float
    """Seconds for which the old database was closed before the new one was in the catalog."""


def move_tenant(
    operations: Operations,
    slug: str,
    to: str,
    *,
    advance: Callable[[], object] = lambda: None,
    step: Callable[[str], object] = lambda _: None,
) -> Moved | None:
    """Move a tenant's database to the placement *to*; the old copy is kept, and takes no writes.

    If it fails before the catalog has the new placement, the tenant is where it was. If the process
    was killed, the same call clears away what is left and begins anew.

    :param advance: Called whenever some rows more were copied or compared.
    :param step: Called with the name of each step when it is done.
    :returns: ``None`` if it lives there already.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises UnknownPlacementError: There is no such placement.
    :raises PlacementKindError: The app cannot live on it.
    :raises NoRoomError: It is full.
    :raises MoveError: It cannot be moved, and why.
    :raises TenantLockedError: Another operation is at work on it.
    :raises UnfinishedError: A restore of it was interrupted.
    """
    tenant = operations.catalog.tenants.get(slug)
    with tenant_lock(tenant, "moved", settings=operations.settings):
        preview = operations.preview_move(slug, to)
        if preview is None:
            return None
        _clear_away(operations, preview)
        step("cleared")
        try:
            operations.catalog.relocations.begin(tenant.id, to, by=operations.actor)
            step("begun")
            return _move(operations, preview, advance=advance, step=step)
        except BaseException:
            _undo(operations, preview)
            raise


def preview_move(operations: Operations, slug: str, to: str) -> MovePreview | None:
    """Return what :func:`move_tenant` would do, or ``None`` for nothing."""
    catalog, settings = operations.catalog, operations.settings
    row = catalog.tenants.get_row(slug)
    tenant = row.tenant
    if tenant.state in WITHOUT_DATA:
        raise MoveError(slug, f"it is {tenant.state} and has no data to move")
    wanted = choose_placement(settings, to, dict, kinds=operations.factory.placements)
    if tenant.placement == to:
        return None
    if row.former_placement:
        problem = f"its old copy is still on {row.former_placement!r}; if the new one is complete, "
        raise MoveError(slug, f"{problem}new one, run `tenantry tenant move {slug} --drop` first")
    check_finished(tenant, settings.files_home)
    if wanted.tenants and catalog.tenants.count_by_placement().get(to, 0) >= wanted.tenants:
        raise NoRoomError((to,))
    source = tenant_database(tenant, settings)
    target = database_at(Location(tenant.id, to), settings, plan=tenant.plan)
    if target.kind == "postgresql":
        _check_files(slug, settings.tenant_dir(tenant.id))
    if not source.exists():
        raise MoveError(slug, f"it has no database at {source.shown}")
    if row.moving_to != to and target.exists():
        problem = f"{target.shown} exists already, and is not from an interrupted move"
        raise MoveError(slug, problem)
    _check_schema(operations.factory, slug, source)
    return MovePreview(tenant, to, source, target, row.moving_to)


def _check_files(slug: str, folder: Path) -> None:
    """Refuse an app that opens SQLite files by itself: on a server, its data would stay behind."""
    try:
        files = find_app_databases(folder)
    except OSError as error:
        raise MoveError(slug, f"{error.filename} cannot be read ({error.strerror})") from error
    if files:
        raise MoveError(slug, f"its app keeps its data in {files[0]!r}, which no server can hold")


def _check_schema(factory: Factory, slug: str, source: TenantDatabase) -> None:
    """Refuse rows of an older schema: the new database has the newest one."""
    if factory.migrations is None:
        return
    found, newest = source.revision(), load_history(factory.migrations).head
    if found != newest:
        problem = f"its data is at schema revision {found or 'none'}, not at {newest}"
        raise MoveError(slug, f"{problem}; run `tenantry migrate --only {slug}` first")


def _move(
    operations: Operations,
    preview: MovePreview,
    *,
    advance: Callable[[], object],
    step: Callable[[str], object],
) -> Moved:
    tenant = preview.tenant
    if (login := preview.target.login_to_admit()) is not None:
        preview.source.admit(login)
    try:
        provision(operations, replace(tenant, placement=preview.to))
    except ProvisionError as error:
        problem = f"its new database could not be created ({error.problem})"
        raise MoveError(tenant.slug, problem) from error
    if not preview.target.exists():
        raise MoveError(tenant.slug, "the factory creates no database for new sites")
    step("provisioned")
    if failure := find_failure(operations, replace(tenant, placement=preview.to)):
        raise MoveError(tenant.slug, f"its app does not run on {preview.to!r} ({failure})")
    step("tried")
    transfer = Transfer(preview.source, preview.target, name=tenant.slug, advance=advance)
    try:
        transfer.begin()
        step("watched")
        transfer.copy()
        step("copied")
        transfer.follow()
        step("followed")
        started = time.monotonic()
        transfer.finish()
        step("closed")
        detail = {"rows": transfer.rows, "replayed": transfer.replayed}
        moved = operations.catalog.relocations.finish(
            tenant.id, preview.to, detail=detail, by=operations.actor
        )
        closed = time.monotonic() - started
        step("placed")
    finally:
        transfer.dispose()
    return Moved(moved, tenant.placement, transfer.rows, transfer.replayed, closed)


def _clear_away(operations: Operations, preview: MovePreview) -> None:
    """Undo what a killed move did."""
    forget_move(preview.source)
    if preview.left:
        left = Location(preview.tenant.id, preview.left)
        database_at(left, operations.settings).drop()
        operations.catalog.relocations.cancel(preview.tenant.id, by=operations.actor)


def _undo(operations: Operations, preview: MovePreview) -> None:
    """Remove what a failed move has made, unless the catalog says that it succeeded."""
    catalog, tenant_id, slug = operations.catalog, preview.tenant.id, preview.tenant.slug
    try:
        if catalog.tenants.get_by_id(tenant_id).placement == preview.to:
            return
        forget_move(preview.source)
        preview.target.drop()
        catalog.relocations.cancel(tenant_id, by=operations.actor)
    except (TenantryError, OSError):
        log.exception("the move of %s (%s) left something; run it again", slug, tenant_id)


def drop_former(operations: Operations, slug: str) -> str:
    """Destroy the copy that a move has left, and return its placement.

    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantLockedError: Another operation is at work on it.
    :raises MoveError: There is none, or the tenant has no other database.
    """
    tenant = operations.catalog.tenants.get(slug)
    with tenant_lock(tenant, "moved", settings=operations.settings):
        former = operations.preview_drop_former(slug)
        former.database.drop()
        if former.beside is not None and exists(former.beside):
            shutil.rmtree(former.beside)
        operations.catalog.relocations.forget_former(tenant.id, by=operations.actor)
    return former.location.placement


def preview_drop_former(operations: Operations, slug: str) -> TenantPaths:
    """Return what :func:`drop_former` would destroy."""
    row, settings = operations.catalog.tenants.get_row(slug), operations.settings
    if not row.former_placement:
        raise MoveError(slug, "it has no old copy to drop")
    if not tenant_database(row.tenant, settings).exists():
        problem = f"its database on {row.tenant.placement!r} is not there"
        raise MoveError(slug, f"{problem}, so the old copy is the only one")
    former = Location(row.tenant.id, row.former_placement)
    return TenantPaths(row.tenant, settings, location=former)
