"""Exporting a tenant: everything that is its own in one file, while its site is in use."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tenantry.bundles.archive import write_bundle
from tenantry.bundles.files import copy_files
from tenantry.bundles.manifest import Manifest, Source
from tenantry.bundles.scratch import alone, scratch_folder
from tenantry.bundles.tables import dump_database
from tenantry.databases.placements import tenant_database
from tenantry.errors import BundleError
from tenantry.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tenantry.bundles.files import Copied
    from tenantry.bundles.manifest import Database, TableMember
    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings
    from tenantry.tenant import Tenant

JOURNAL = "journal.json"
"""What a restore that has been decided will do, until it is done."""
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
    with reading(tenant, settings), scratch_folder(settings.data_dir) as parts:
        manifest = gather(tenant, parts, settings=settings)
        size = write_bundle(path, manifest, parts, passphrase=passphrase)
    detail = {"rows": manifest.rows, "size": size, "encrypted": passphrase is not None}
    catalog.record("tenant.export", tenant_id=tenant.id, detail=detail, by=by)
    return manifest


@contextmanager
def reading(tenant: Tenant, settings: Settings) -> Iterator[None]:
    """Keep a tenant's data from being exchanged meanwhile.

    :raises BundleError: It is being exchanged now, or that was interrupted.
    """
    with alone(settings.data_dir, f"t_{tenant.id}", what=tenant.slug, shared=True):
        if (restore_dir(tenant, settings) / JOURNAL).exists():
            problem = f"a restore was interrupted; say `tenantry restore {tenant.slug}` first"
            raise BundleError(tenant.slug, problem)
        yield


def restore_dir(tenant: Tenant, settings: Settings) -> Path:
    """Return the folder of what a restore brings and puts aside."""
    return settings.data_dir / "restores" / f"t_{tenant.id}"


def gather(tenant: Tenant, parts: Path, *, settings: Settings) -> Manifest:
    """Write all that is the tenant's below *parts*, and return what it is.

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
