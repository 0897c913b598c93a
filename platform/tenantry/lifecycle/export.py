"""Exporting a tenant: everything that is its own in one file, while its site is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.bundles.archive import write_bundle
from tenantry.bundles.files import copy_files
from tenantry.bundles.manifest import Manifest, Source
from tenantry.bundles.scratch import scratch_folder
from tenantry.bundles.tables import dump_database
from tenantry.databases.placements import tenant_database
from tenantry.errors import BundleError
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.bundles.manifest import Database, TableMember
    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings
    from tenantry.tenant import Tenant

WITHOUT_DATA = frozenset({TenantState.PROVISIONING, TenantState.DELETED})


def export_tenant(
    catalog: Catalog,
    slug: str,
    path: Path,
    *,
    passphrase: bytes | None = None,
    settings: Settings,
    by: Actor,
) -> Manifest:
    """Write a tenant into the file *path*, which must not be there; return what it holds.

    The database is as it was at one moment; the files are copied right after it.

    :param passphrase: Encrypts the file.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises BundleError: Something of it cannot be read or written; there is no file.
    """
    tenant = catalog.get_tenant(slug)
    if tenant.state in WITHOUT_DATA:
        raise BundleError(slug, f"it is {tenant.state} and has no data to export")
    if path.exists():
        raise BundleError(str(path), "the file exists already; nothing was written")
    with scratch_folder(settings.data_dir) as parts:
        manifest = gather(tenant, parts, settings=settings)
        size = write_bundle(path, manifest, parts, passphrase=passphrase)
    detail = {"rows": manifest.rows, "size": size, "encrypted": passphrase is not None}
    catalog.record("tenant.export", tenant_id=tenant.id, detail=detail, by=by)
    return manifest


def gather(tenant: Tenant, parts: Path, *, settings: Settings) -> Manifest:
    """Write all that is the tenant's below *parts*, and return what it is.

    :raises BundleError: Something of it cannot be read.
    """
    database = tenant_database(tenant, settings)
    described: Database | None = None
    tables: tuple[TableMember, ...] = ()
    if database.exists():
        described, tables = dump_database(database, parts, name=tenant.slug)
    files, left_out = copy_files(settings.tenant_dir(tenant.id), parts, name=tenant.slug)
    return describe(tenant, database=described, tables=tables, files=files, left_out=left_out)


def describe(tenant: Tenant, **content: Any) -> Manifest:
    """Return the manifest of a tenant with this content."""
    source = Source(
        id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        plan=tenant.plan,
        settings=dict(tenant.settings),
        hosts=tenant.hosts,
    )
    return Manifest(tenant=source, **content)
