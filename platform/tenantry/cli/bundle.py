"""``tenantry tenant export`` and ``import``: a tenant in one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import ready_operations
from tenantry.cli.output import plain
from tenantry.cli.passphrase import known_passphrase, new_passphrase, passphrase_option
from tenantry.settings import get_settings
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from tenantry.bundles.manifest import Manifest


@click.command("export")
@click.argument("slug")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; it must not exist.",
)
@click.option("--encrypt", is_flag=True, help="Ask for a passphrase, and encrypt with it.")
@passphrase_option("Encrypt")
def export(slug: str, *, output: Path, encrypt: bool, passphrase_file: Path | None) -> None:
    """Write the tenant SLUG into one file, while its site is in use."""
    passphrase = new_passphrase(passphrase_file, encrypt=encrypt)
    with ready_operations() as operations:
        manifest = operations.export(slug, output, passphrase=passphrase)
    sealed = ", encrypted" if passphrase is not None else ""
    click.echo(f"Exported {slug} to {plain(output)}: {_content(manifest)}{sealed}.")
    for path in manifest.left_out:
        click.echo(f"Left out, because it is not a plain file: {plain(path)}", err=True)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--slug", help="Its name on this platform.  [default: its name in the bundle]")
@click.option("--placement", help="The placement of its data.  [default: the first with room]")
@click.option("--plan", help="Its plan.  [default: the platform's default plan]")
@click.option("--owner", metavar="EMAIL", help="The owner; creates the account if there is none.")
@passphrase_option("Decrypt")
@click.option("--dry-run", is_flag=True, help="Only check the file, and show its content.")
def import_(
    file: Path,
    *,
    slug: str | None,
    placement: str | None,
    plan: str | None,
    owner: str | None,
    passphrase_file: Path | None,
    dry_run: bool,
) -> None:
    """Create a new tenant from FILE, which is checked as a whole first.

    It gets its own id and keys: sessions of the original do not work there, and its custom hosts are
    not imported.
    """
    passphrase = known_passphrase(passphrase_file, file)
    chosen = {"slug": slug, "placement": placement, "plan": plan, "owner_email": owner}
    with ready_operations() as operations:
        if dry_run:
            found = operations.preview_import(file, passphrase=passphrase, **chosen)
            content = _content(found.manifest)
            click.echo(f"Would import {found.slug}: {content}. The file is sound.")
            return
        made = operations.import_(file, passphrase=passphrase, **chosen)
    click.echo(f"Imported {made.slug}: {get_settings().site_url(made)}")


def _content(manifest: Manifest) -> str:
    tables, files = counted(len(manifest.tables), "table"), counted(len(manifest.files), "file")
    return f"{counted(manifest.rows, 'row')} in {tables}, {files}"
