"""Clones a tenant: a quiet copy until it is released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.bundles.instance_files import copy_files, move_files
from tenantry.bundles.row_members import dump_database, fill_database, stored_tables
from tenantry.catalog.accounts import canonical_email
from tenantry.databases.placements import tenant_database
from tenantry.databases.sqlite_file import copy_site
from tenantry.errors import BundleError
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.create import find_schema, provision
from tenantry.lifecycle.export import WITHOUT_DATA, describe, reading
from tenantry.lifecycle.missing_databases import check_present
from tenantry.lifecycle.provisional import check_free, provisional_tenant
from tenantry.relocation.transfer import forget_move
from tenantry.rows.transient import empty_tables

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant


def clone_tenant(
    operations: Operations, slug: str, new: str, *, owner_email: str | None = None
) -> Tenant:
    """Make the tenant *new* as a copy of *slug* at this moment; its site can then be visited.

    The copy is quiet, has no custom hosts, and has keys of its own: nobody is signed in there.

    :param owner_email: Owns the clone; by default those who own the original.
    :raises TenantNotFoundError: No tenant has the slug.
    :raises TenantExistsError: The new slug is taken.
    :raises TenantLockedError: Another operation is at work on the original.
    :raises UnfinishedError: A restore of it was interrupted.
    :raises BundleError: Something cannot be copied; nothing was kept.
    """
    source = operations.preview_clone(slug, new, owner_email=owner_email)
    catalog, settings, by = operations.catalog, operations.settings, operations.actor
    owners = [canonical_email(owner_email)] if owner_email else catalog.tenants.get_row(slug).owners

    wanted = provisional_tenant(
        operations,
        new,
        name=source.name,
        settings=source.settings,
        plan=source.plan,
        placement=source.placement,
        quiet=True,
    )
    with wanted as tenant:
        with (
            reading(source, "cloned", settings=settings),
            scratch_folder(settings.data_dir) as parts,
        ):
            check_present(operations, source)
            _copy(operations, source, tenant, parts)
        detail = {"from": source.id, "slug": source.slug}
        catalog.audit.record("tenant.clone", tenant_id=tenant.id, detail=detail, by=by)
        owner = {tenant.id: next(iter(owners), None)}
        schemas = {tenant.id: find_schema(operations.factory, tenant, settings=settings)}
        made = catalog.provisioning.activate(owner, schemas=schemas, by=by)[0]
    for email in owners[1:]:
        if (account := catalog.accounts.find(email)) is not None:
            catalog.memberships.add(account.id, made.id, by=by)
    return made


def preview_clone(
    operations: Operations, slug: str, new: str, *, owner_email: str | None = None
) -> Tenant:
    """Return the original if :func:`clone_tenant` would make *new* of it."""
    source = operations.catalog.tenants.get(slug)
    if source.state in WITHOUT_DATA:
        raise BundleError(slug, f"it is {source.state} and has no data to copy")
    if owner_email is not None:
        canonical_email(owner_email)
    check_free(operations, new)
    with reading(source, "cloned", settings=operations.settings):
        check_present(operations, source)
    return source


def release_tenant(operations: Operations, slug: str) -> Tenant:
    """Let a clone send mail, call webhooks and run jobs, from its next request on.

    :raises TenantNotFoundError: No tenant has the slug.
    """
    catalog = operations.catalog
    return catalog.tenants.release(catalog.tenants.get(slug).id, by=operations.actor)


def _copy(operations: Operations, source: Tenant, target: Tenant, parts: Path) -> None:
    settings = operations.settings
    operations.step("Copy the database")
    before, after = tenant_database(source, settings), tenant_database(target, settings)
    fast = False
    if before.file is not None and after.file is not None and before.exists():
        # The pages bring rows and schema, so the factory finds nothing to do.
        copy_site(before.file, after.file)
        forget_move(after)
        fast = True
    provision(operations, target)
    operations.step("Copy the files")
    folder = settings.tenant_dir(target.id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    copied = copy_files(settings.tenant_dir(source.id), parts, name=source.slug)
    move_files(copied, parts, folder)
    if before.exists() and not fast:
        database, tables = dump_database(before, parts, name=source.slug)
        manifest = describe(source, database=database, tables=tables)
        fill_database(after, manifest, stored_tables(manifest, parts), name=source.slug)
    if before.exists():
        empty_tables(after, operations.factory.transient_tables, name=source.slug)
