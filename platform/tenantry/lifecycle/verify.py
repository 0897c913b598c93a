"""Verifies a backup: unpacks it into a scratch folder and checks everything."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, BinaryIO

from tenantry.bundles.archive import open_bundle
from tenantry.bundles.manifest import TableMember
from tenantry.bundles.sqlite_pages import check_pages
from tenantry.errors import BundleError
from tenantry.files.scratch import scratch_folder
from tenantry.lifecycle.untrusted_bundles import check_room, known_schemas
from tenantry.rows.codec import check_value, load_row

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.bundles.manifest import Manifest
    from tenantry.lifecycle.operations import Operations


def verify_backup(
    operations: Operations, path: Path, *, passphrase: bytes | None = None
) -> Manifest:
    """Read all of a backup or bundle, and return what it holds.

    It checks the checksums of every file and of the whole. A SQLite database is opened in a scratch
    folder: its schema is compared with the factory's, and ``integrity_check`` and
    ``foreign_key_check`` run. Rows are counted, and each value is read.

    :raises BundleError: Something is not as it must be.
    """
    name, settings = str(path), operations.settings
    with (
        scratch_folder(settings.data_dir) as parts,
        open_bundle(path, passphrase=passphrase) as bundle,
    ):
        check_room(bundle.manifest, settings, name=name)
        known = known_schemas(bundle.manifest, operations.factory, settings, name=name)
        for member, content in bundle.members():
            if isinstance(member, TableMember):
                _check_rows(member, content, name=name)
            elif member is bundle.manifest.pages:
                with (parts / "pages").open("xb") as file:
                    shutil.copyfileobj(content, file)
        if bundle.manifest.pages is not None:
            check_pages(parts / "pages", bundle.manifest, known, name=name)
        return bundle.manifest


def _check_rows(member: TableMember, content: BinaryIO, *, name: str) -> None:
    rows = 0
    for line in content:
        rows += 1
        try:
            values = load_row(line)
            for value in values:
                check_value(value)
        except ValueError as error:
            raise BundleError(name, f"table {member.table!r}, row {rows}: {error}") from error
        if len(values) != len(member.columns):
            problem = f"has {len(values)} values for {len(member.columns)} columns"
            raise BundleError(name, f"table {member.table!r}, row {rows} {problem}")
    if rows != member.rows:
        raise BundleError(
            name, f"table {member.table!r} does not have the {member.rows} rows of the manifest"
        )
