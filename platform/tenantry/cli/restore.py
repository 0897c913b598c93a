"""``tenantry restore``: restores a tenant's data from a backup."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.cli.context import ready_operations
from tenantry.cli.output import plain
from tenantry.cli.passphrase import known_passphrase, passphrase_option
from tenantry.lifecycle.tenant_paths import TenantPaths
from tenantry.values.wording import counted


@click.command()
@click.argument("slug")
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The backup.  [default: the newest one in the data folder]",
)
@passphrase_option("Decrypt")
@click.option("--dry-run", is_flag=True, help="Only check the backup, and show its content.")
def restore(slug: str, *, file: Path | None, passphrase_file: Path | None, dry_run: bool) -> None:
    """Restore one tenant from a backup, without changing another.

    If a restore was interrupted, the same command finishes it.
    """
    with ready_operations() as operations:
        found = operations.choose_backup(slug, file)
        passphrase = known_passphrase(passphrase_file, found) if found is not None else None
        if dry_run:
            manifest = operations.preview_restore(slug, found, passphrase=passphrase)
            if manifest is None:
                click.echo(f"Would finish the interrupted restore of {slug}.")
                return
            when = f"{manifest.created:%Y-%m-%d %H:%M:%S}"
            content = f"{counted(manifest.rows, 'row')} and {counted(len(manifest.files), 'file')}"
            click.echo(f"Would restore {slug} as of {when} UTC: {content} from {plain(found)}.")
            return
        restored = operations.restore(slug, found, passphrase=passphrase)
        kept = TenantPaths(restored, operations.settings).kept
    source = f" from {plain(found)}" if found is not None else ", which had been interrupted"
    click.echo(f"Restored {slug}{source}. What was there before is in {kept}.")
