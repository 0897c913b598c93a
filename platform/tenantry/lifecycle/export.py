"""Exports a tenant into a bundle while its site is in use."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenantry.bundles.archive import write_bundle
from tenantry.bundles.instance_files import copy_files
from tenantry.bundles.manifest import Manifest, Source
from tenantry.bundles.row_members import dump_database
from tenantry.catalog.tenant_locks import tenant_lock
from tenantry.databases.placements import tenant_database
from tenantry.errors import BundleError
from tenantry.files.disk import exists
from tenantry.files.locks import check_finished
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.missing_databases import check_present
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.bundles.instance_files import Copied
    from tenantry.bundles.manifest import Database, TableMember
    from tenantry.lifecycle.operations import Operations
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

WITHOUT_DATA = frozenset({TenantState.PROVISIONING, TenantState.DELETED})


def export_tenant(
    operations: Operations,
    slug: str,
    path: Path,
    *,
    passphrase: bytes | None = None,
    even_if_lost: bool = False,
) -> Manifest:
    """Write a tenant into the file *path*, which must not be there; return what it holds.

    The database is as it was at one moment; the files are copied right after it.

    :param passphrase: Encrypts the file.
    :param even_if_lost: Write what there is of a tenant whose database is gone.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantLockedError: Another operation is at work on it.
    :raises UnfinishedError: A restore of it was interrupted.
    :raises BundleError: Something of it cannot be read or written; there is no file.
    """
    catalog, settings = operations.catalog, operations.settings
    tenant = catalog.tenants.get(slug)
    if tenant.state in WITHOUT_DATA:
        raise BundleError(slug, f"it is {tenant.state} and has no data to export")
    if exists(path):
        raise BundleError(str(path), "the file exists already; nothing was written")
    with (
        reading(tenant, "exported", settings=settings),
        scratch_folder(settings.data_dir) as parts,
    ):
        if not even_if_lost:
            check_present(operations, tenant)
        operations.step("Copy the database and the files")
        manifest = gather(tenant, parts, settings=settings)
        operations.step("Write the file")
        size = write_bundle(path, manifest, parts, passphrase=passphrase)
    detail = {"rows": manifest.rows, "size": size, "encrypted": passphrase is not None}
    catalog.audit.record("tenant.export", tenant_id=tenant.id, detail=detail, by=operations.actor)
    return manifest


@contextmanager
def reading(tenant: Tenant, doing: str, *, settings: Settings) -> Iterator[None]:
    """Keep other operations from changing the tenant's data meanwhile; they may read it.

    :param doing: What is done to the tenant, for the errors of other operations.
    :raises TenantLockedError: It is being exchanged now.
    :raises UnfinishedError: That was interrupted.
    """
    with tenant_lock(tenant, doing, settings=settings, shared=True):
        check_finished(tenant, settings.files_home)
        yield


def gather(tenant: Tenant, parts: Path, *, settings: Settings) -> Manifest:
    """Write all data of the tenant below *parts*, and return its manifest.

    :raises BundleError: Something of it cannot be read.
    """
    database = tenant_database(tenant, settings)
    described: Database | None = None
    tables: tuple[TableMember, ...] = ()
    if database.exists():
        described, tables = dump_database(database, parts, name=tenant.slug)
    copied = copy_files(settings.tenant_dir(tenant.id), parts, name=tenant.slug)
    return describe(tenant, copied, database=described, tables=tables)


def describe(tenant: Tenant, copied: Copied | None = None, **content: Any) -> Manifest:
    """Return the manifest of a tenant with these files and this content."""
    if copied is not None:
        content |= {name: getattr(copied, name) for name in ("files", "folders", "left_out")}
    source = Source(
        id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        plan=tenant.plan,
        settings=dict(tenant.settings),
        hosts=tenant.hosts,
    )
    return Manifest(tenant=source, **content)
