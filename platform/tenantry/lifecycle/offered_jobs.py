"""Operations that a job worker does, as they are offered: whatever takes longer than a moment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from tenantry.bundles.archive import needs_passphrase, open_bundle
from tenantry.catalog import canonical_email
from tenantry.databases.placements import check_here
from tenantry.errors import BadArgumentError, BundleError
from tenantry.lifecycle.backup import list_backups
from tenantry.lifecycle.declaration import EXISTING, Hint, Prepared, declare
from tenantry.lifecycle.provisional import check_free
from tenantry.lifecycle.restore import check_owner
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.migrations import load_history
from tenantry.values.tenant import TenantState
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.bundles.manifest import Manifest
    from tenantry.catalog import TenantRow
    from tenantry.lifecycle.operations import Operations
    from tenantry.values.tenant import Tenant

_S = TenantState

OwnerEmail = Annotated[
    str | None, Hint("Owner's e-mail", "An account is created if there is none.")
]
NewSlug = Annotated[str, Hint("Address", "Lower-case letters, digits and single hyphens.")]
BackupName = Annotated[str, Hint("Backup", choices="backups")]


@declare("Clone", name="clone", job="clone")
def clone(
    operations: Operations,
    slug: str,
    *,
    new: NewSlug,
    owner_email: Annotated[
        str | None, Hint("Owner's e-mail", "By default the owners of the original.")
    ] = None,
) -> Prepared:
    """Create a copy of the site at another address.

    It sends no mail, calls no webhooks and runs no jobs until it is released.
    """
    found = operations.preview_clone(slug, new, owner_email=owner_email)
    return Prepared(
        (f"Would create {new} as a copy of {slug}, which is {found.state}.",),
        partial(operations.start, "clone", slug=slug, new=new, owner_email=owner_email),
    )


@declare("Move", name="move", job="move", suits=lambda row: not row.former_placement)
def move(
    operations: Operations,
    slug: str,
    *,
    to: Annotated[str, Hint("New placement", choices="placements")],
) -> Prepared:
    """Move the site's database to another placement while the site is in use.

    Writes during the last moment get a 503. The old copy takes no more writes, and stays until it is
    dropped.
    """
    found = operations.preview_move(slug, to)
    if found is None:
        sentence = f"{slug} lives on {to} already."
        return Prepared((sentence,), lambda: None, sentence, is_needed=False)
    size = f"{counted(found.rows, 'row')}, {found.source.size() / 2**20:,.1f} MiB"
    would = [
        f"Would move {slug}, {size}, from {found.tenant.placement} to {to}:",
        found.source.shown,
        found.target.shown,
    ]
    if found.left:
        would.append(f"Would first remove what an interrupted move left on {found.left}.")
    return Prepared(tuple(would), partial(operations.start, "move", slug=slug, to=to))


@declare("Export", name="export", job="export")
def export(operations: Operations, slug: str) -> Prepared:
    """Write the site into one file while it is in use. The job's page has a link to the file."""
    _check_data(operations, slug, "export")
    return Prepared(
        (f"Would write all of {slug} into one file.",),
        partial(operations.start, "export", slug=slug),
    )


@declare("Back up", name="backup", job="backup")
def backup(
    operations: Operations,
    slug: str,
    *,
    keep: Annotated[
        int | None, Hint("Keep", "How many of its backups stay. By default all.")
    ] = None,
) -> Prepared:
    """Back the site up while it is in use, unless nothing has changed since its last backup."""
    _check_data(operations, slug, "back up")
    would = [f"Would back up {slug}."]
    if keep is not None:
        if keep < 1:
            raise BadArgumentError(str(keep), "at least 1 backup is kept")
        would.append(f"Would keep only the newest {counted(keep, 'backup')} of it.")
    return Prepared(tuple(would), partial(operations.start, "backup", slug=slug, keep=keep))


@declare("Verify a backup", name="verify", job="verify")
def verify(operations: Operations, slug: str, *, backup: BackupName) -> Prepared:
    """Unpack a backup into a scratch folder and check everything in it. The site is not touched."""
    tenant = operations.catalog.tenants.get(slug)
    if node := operations.settings.find_other_node(tenant.placement):
        return _verify_elsewhere(operations, tenant, backup, node)
    path = find_backup(operations, slug, backup)
    manifest = _read(path)
    return Prepared(
        (f"Would verify the backup of {slug} as of {_content(manifest)}.",),
        partial(operations.start, "verify", slug=slug, path=str(path)),
    )


@declare("Restore drill", name="drill", job="drill")
def drill(operations: Operations, slug: str, *, backup: BackupName) -> Prepared:
    """Restore a backup beside the site, build the app on it, ask for its front page, and remove it.

    The site is not touched, and what is made takes no visitors.
    """
    tenant, path = operations.catalog.tenants.get(slug), find_backup(operations, slug, backup)
    manifest = _read(path)
    check_owner(manifest, tenant, path)
    return Prepared(
        (f"Would try a restore of {slug} as of {_content(manifest)}.",),
        partial(operations.start, "drill", slug=slug, path=str(path)),
    )


@declare("Restore", name="restore", job="restore", is_typed=True)
def restore(
    operations: Operations,
    slug: str,
    *,
    backup: BackupName,
    backup_first: Annotated[bool, Hint("Back the site up as it is now, before")] = False,
) -> Prepared:
    """Replace the site's data with that of a backup. Its site answers 503 for a moment.

    The replaced data stays beside it until the next restore. Its name, plan, hosts and owners stay as
    they are.
    """
    tenant, path = operations.catalog.tenants.get(slug), find_backup(operations, slug, backup)
    _check_data(operations, slug, "restore")
    manifest = _read(path)
    check_owner(manifest, tenant, path)
    would = [f"Would restore {slug} as of {_content(manifest)}."]
    if backup_first:
        would.insert(0, f"Would back up {slug} as it is now.")
    return Prepared(
        tuple(would),
        partial(operations.start, "restore", slug=slug, path=str(path), backup_first=backup_first),
    )


@declare("Restore beside", name="restore-beside", job="import")
def restore_beside(
    operations: Operations,
    slug: str,
    *,
    backup: BackupName,
    new: NewSlug,
    owner_email: OwnerEmail = None,
) -> Prepared:
    """Create a new site from a backup. The site itself stays as it is."""
    path = find_backup(operations, slug, backup)
    manifest = _read(path)
    check_free(operations, new)
    if owner_email:
        canonical_email(owner_email)
    return Prepared(
        (f"Would create {new} from {slug} as of {_content(manifest)}.",),
        partial(
            operations.start, "import", path=str(path), slug=new, owner_email=owner_email or None
        ),
    )


@declare("Migrate", name="migrate", job="migrate")
def migrate(operations: Operations, slug: str) -> Prepared:
    """Bring the site's database to the newest schema revision."""
    operations.catalog.tenants.get(slug)
    folder = operations.factory.migrations
    newest = None if folder is None else load_history(folder).head
    if newest is None or not operations.catalog.schemas.count_behind(newest, only=(slug,)):
        sentence = (
            f"TENANTRY_FACTORY={operations.settings.factory} has no MIGRATIONS; nothing to do."
            if newest is None
            else f"{slug} is at schema revision {newest} already."
        )
        return Prepared((sentence,), lambda: None, sentence, is_needed=False)
    return Prepared(
        (f"Would migrate {slug} to schema revision {newest}.",),
        partial(operations.start, "migrate", only=[slug]),
    )


@declare("Delete", name="delete", job="delete", states=frozenset(_S) - {_S.DELETED}, is_typed=True)
def delete(
    operations: Operations,
    slug: str,
    *,
    reason: Annotated[
        str, Hint("Reason", "The audit trail records it, and the owner can read it.")
    ] = "",
) -> Prepared:
    """Archive the site, write a bundle of it, and mark it as deleted.

    It can be undeleted until its purge date. Then it can be purged.
    """
    row, settings = operations.preview_delete(slug), operations.settings
    if row.tenant.state is _S.DELETED:
        sentence = f"{slug} is deleted already."
        return Prepared((sentence,), lambda: None, sentence, is_needed=False)
    bundle = settings.last_bundle(row.tenant.id)
    would = (
        f"Would archive {slug}, write a bundle of it to {bundle}, and delete it. In "
        f"{settings.purge_days} days it could be purged, which would destroy:"
    )
    return Prepared(
        (would, *_list_residual(operations, row)),
        partial(operations.start, "delete", slug=slug, reason=reason),
    )


@declare("Purge", name="purge", job="purge", states={_S.DELETED}, is_typed=True)
def purge(
    operations: Operations,
    slug: str,
    *,
    early: Annotated[bool, Hint("Purge it before its purge date")] = False,
) -> Prepared:
    """Destroy all data of a deleted site; nothing brings it back.

    Its id, its names and its audit trail stay.
    """
    row = operations.preview_purge(slug, early=early)
    if row.purged_at is not None:
        sentence = f"{slug} is purged already."
        return Prepared((sentence,), lambda: None, sentence, is_needed=False)
    return Prepared(
        (f"Would purge {slug}, which would destroy:", *_list_residual(operations, row)),
        partial(operations.start, "purge", slug=slug, early=early),
    )


def find_backup(operations: Operations, slug: str, name: str) -> Path:
    """Return the file of a tenant's backup by its name.

    :raises ElsewhereError: Another node has its backups.
    :raises BundleError: The tenant has no backup of this name.
    """
    paths = TenantPaths(operations.catalog.tenants.get(slug), operations.settings)
    check_here(paths.location.placement, operations.settings)
    for path in list_backups(paths):
        if path.name == name:
            return path
    raise BundleError(slug, f"it has no backup {name[:100]!r}")


def _verify_elsewhere(operations: Operations, tenant: Tenant, backup: str, node: str) -> Prepared:
    """Have the node that has a tenant's backups verify the newest one, which the catalog knows."""
    newest = operations.catalog.backups.find([tenant.id]).get(tenant.id)
    if newest is None or newest.file != backup:
        problem = f"{node} has its backups, and {backup[:100]!r} is not the newest"
        raise BundleError(tenant.slug, problem)
    return Prepared(
        (f"Would verify the newest backup of {tenant.slug} on {node}.",),
        partial(operations.start, "verify", slug=tenant.slug),
    )


def _check_data(operations: Operations, slug: str, verb: str) -> None:
    state = operations.catalog.tenants.get(slug).state
    if state not in EXISTING:
        raise BundleError(slug, f"it is {state} and has no data to {verb}")


def _read(path: Path) -> Manifest:
    """Return what a backup says about itself; the job checks all of it."""
    if needs_passphrase(path):
        problem = "it is encrypted; a job cannot keep its passphrase"
        raise BundleError(str(path), f"{problem}, so use `tenantry restore` on the command line")
    with open_bundle(path) as bundle:
        return bundle.manifest


def _content(manifest: Manifest) -> str:
    content = f"{counted(manifest.rows, 'row')} and {counted(len(manifest.files), 'file')}"
    return f"{manifest.created:%Y-%m-%d %H:%M:%S} UTC: {content}"


def _list_residual(operations: Operations, row: TenantRow) -> tuple[str, ...]:
    return tuple(
        f"{found.what}{f', {_shown(found.size)}' if found.size else ''}"
        for found in operations.find_residual_data(row.tenant)
    )


def _shown(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB" if size >= 2**20 else f"{size / 2**10:,.1f} KiB"
