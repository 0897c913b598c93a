"""Imports a bundle as a new tenant with its own id and keys, or nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, TypedDict, Unpack

from tenantry.bundles.archive import check_bundle, open_bundle
from tenantry.bundles.instance_files import make_folders, place_file
from tenantry.bundles.row_members import dump_database, fill_database, stored_tables
from tenantry.bundles.sqlite_pages import check_pages
from tenantry.catalog.accounts import canonical_email
from tenantry.databases.placements import choose_placement, tenant_database
from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.errors import BundleError, UnknownSchemaError
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.create import find_schema, provision
from tenantry.lifecycle.provisional import check_free, provisional_tenant
from tenantry.lifecycle.untrusted_bundles import check_quota, check_room, known_schemas, receive
from tenantry.migrations import History, load_history, upgrade
from tenantry.rows.transient import empty_tables

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.bundles.archive import Bundle
    from tenantry.bundles.manifest import Manifest
    from tenantry.bundles.sqlite_pages import Known
    from tenantry.factory import Factory
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """What an import would make."""

    manifest: Manifest
    slug: str
    plan: str
    placement: str


class ImportOptions(TypedDict, total=False):
    """What may be chosen for an import."""

    slug: str | None
    """Its name here; by default the one that it had."""
    placement: str | None
    """Where its data goes; by default the first placement with room."""
    plan: str | None
    """A plan of the settings; by default the default plan, whatever the bundle says."""
    owner_email: str | None
    """Gets an account, if it has none, and owns the tenant."""
    passphrase: bytes | None


def import_tenant(operations: Operations, path: Path, **options: Unpack[ImportOptions]) -> Tenant:
    """Make a tenant of a bundle; its site can be visited when this returns.

    The whole file is checked before anything is written.

    :raises BundleError: The bundle is damaged, or does not fit this platform.
    :raises UpgradeError: Its rows are of an older schema and cannot be brought to the newest.
    :raises TenantExistsError: The slug is taken.
    :raises UnknownPlacementError: There is no such placement.
    :raises UnknownPlanError: There is no such plan.
    :raises ProvisionError: The tenant's data could not be made; nothing of it was kept.
    """
    operations.step("Check the whole file")
    preview = operations.preview_import(path, **options)
    passphrase, owner_email = options.get("passphrase"), options.get("owner_email")
    catalog, factory, by = operations.catalog, operations.factory, operations.actor
    manifest, settings = preview.manifest, operations.settings

    wanted = provisional_tenant(
        operations,
        preview.slug,
        name=manifest.tenant.name,
        settings=manifest.tenant.settings,
        plan=preview.plan,
        placement=preview.placement,
    )
    with wanted as tenant:
        fill_tenant(operations, tenant, path, manifest, passphrase=passphrase)
        detail = {"from": manifest.tenant.id, "slug": manifest.tenant.slug}
        catalog.audit.record("tenant.import", tenant_id=tenant.id, detail=detail, by=by)
        schemas = {tenant.id: find_schema(factory, tenant, settings=settings)}
        owner = canonical_email(owner_email) if owner_email else None
        return catalog.provisioning.activate({tenant.id: owner}, schemas=schemas, by=by)[0]


def preview_import(
    operations: Operations, path: Path, **options: Unpack[ImportOptions]
) -> ImportPreview:
    """Return what :func:`import_tenant` would make; the whole file is checked."""
    catalog, settings = operations.catalog, operations.settings
    passphrase, chosen_plan = options.get("passphrase"), settings.get_plan(options.get("plan"))
    if owner_email := options.get("owner_email"):
        canonical_email(owner_email)
    with open_bundle(path, passphrase=passphrase) as bundle:
        check_room(bundle.manifest, settings, name=str(path))
        check_quota(bundle.manifest, settings.limits_of(chosen_plan), name=str(path))
    manifest = check_bundle(path, passphrase=passphrase)
    _find_older_schema(path, manifest, operations.factory)
    slug = options.get("slug")
    name = manifest.tenant.slug if slug is None else slug
    check_free(operations, name)
    chosen = choose_placement(
        settings,
        options.get("placement"),
        catalog.tenants.count_by_placement,
        kinds=operations.factory.placements,
    )
    return ImportPreview(manifest, name, chosen_plan, chosen.name)


def fill_tenant(
    operations: Operations,
    tenant: Tenant,
    path: Path,
    manifest: Manifest,
    *,
    passphrase: bytes | None = None,
) -> None:
    """Make all data of a provisional tenant from a bundle that was checked.

    :raises BundleError: It does not fit this platform, or is another one by now.
    :raises UpgradeError: Its rows cannot be brought to the newest schema.
    """
    operations.step("Make the database")
    factory = operations.factory
    older = _find_older_schema(path, manifest, factory)
    database = tenant_database(tenant, operations.settings)
    if older is None:
        provision(operations, tenant)
    else:  # the schema of the rows; then every later revision runs, as for every tenant
        database.create()
        upgrade(database, older.history, to=older.revision)
    operations.step("Fill it, and place the files")
    with open_bundle(path, passphrase=passphrase) as bundle:
        if bundle.manifest != manifest:
            raise BundleError(str(path), "it was changed while it was read")
        fill(operations, tenant, bundle, name=str(path))
    if older is not None:
        upgrade(database, older.history)
        provision(operations, tenant)
    if manifest.database is not None:
        empty_tables(database, factory.transient_tables, name=str(path))
    receive(factory, tenant)


@dataclass(frozen=True, slots=True)
class _OlderSchema:
    history: History
    revision: str


def _find_older_schema(path: Path, manifest: Manifest, factory: Factory) -> _OlderSchema | None:
    """Return the schema that the rows need first, if it is not the newest one.

    :raises BundleError: This release does not know it.
    """
    revision = manifest.database.revision if manifest.database is not None else ""
    if factory.migrations is None or not revision:
        return None
    history = load_history(factory.migrations)
    try:
        lacking = history.path_from(revision)
    except UnknownSchemaError as error:
        known = f"this release does not know it; its newest is {history.head}"
        problem = f"its data is at schema revision {revision[:40]}, and {known}"
        raise BundleError(str(path), problem) from error
    return _OlderSchema(history, revision) if lacking else None


def fill(operations: Operations, tenant: Tenant, bundle: Bundle, *, name: str) -> None:
    """Fill a provisioned tenant from the bundle.

    :raises BundleError: Its database cannot hold it.
    """
    manifest, members, settings = bundle.manifest, bundle.members(), operations.settings
    database = tenant_database(tenant, settings)
    if manifest.database is not None:
        if not database.exists():
            raise BundleError(name, "it has a database, and this platform's sites have none")
        if manifest.pages is not None:
            known = known_schemas(
                manifest, operations.factory, settings, present=database, name=name
            )
            _, content = next(members)
            with scratch_folder(settings.data_dir) as parts:
                rows = unpack_pages(content, manifest, parts, known, name=name)
                fill_database(database, rows, stored_tables(rows, parts), name=name)
        else:
            fill_database(database, manifest, islice(members, len(manifest.tables)), name=name)
    folder = settings.tenant_dir(tenant.id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        for member, content in members:
            assert member.path is not None  # tables come first
            place_file(content, folder, member.path)
        make_folders(manifest.folders, folder)
    except OSError as error:
        raise BundleError(name, f"a file cannot be written ({error})") from error


def unpack_pages(
    content: BinaryIO,
    manifest: Manifest,
    parts: Path,
    known: Known | None = None,
    *,
    name: str,
) -> Manifest:
    """Turn SQLite's pages out of a bundle into rows below *parts*; return what that would be.

    Nothing but its tables' rows is taken from a file that anybody may have made.

    :raises BundleError: It is damaged, or not what the manifest says.
    """
    path = parts / "pages.sqlite3"
    with path.open("xb") as file:
        shutil.copyfileobj(content, file)
    check_pages(path, manifest, known, name=name)
    described, tables = dump_database(SiteDatabase(path), parts, name=name)
    return replace(manifest, database=described, tables=tables, pages=None, counts={})
