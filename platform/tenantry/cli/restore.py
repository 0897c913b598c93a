"""``tenantry restore``: a tenant's data back as it was."""

from __future__ import annotations

from pathlib import Path

import click

from tenantry.cli.context import actor, ready_catalog
from tenantry.cli.output import plain
from tenantry.cli.passphrase import known_passphrase, passphrase_option
from tenantry.factory import load_factory
from tenantry.files.disk import exists
from tenantry.lifecycle.restore import check_owner, newest_backup, restore_tenant
from tenantry.lifecycle.restore_paths import RestorePaths
from tenantry.lifecycle.verify import verify_backup
from tenantry.settings import get_settings


@click.command()
@click.argument("slug")
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The backup.  [default: the newest one in the data folder]",
)
@passphrase_option("Decrypt")
@click.option("--dry-run", is_flag=True, help="Only check the backup, and say what is in it.")
def restore(slug: str, *, file: Path | None, passphrase_file: Path | None, dry_run: bool) -> None:
    """Bring one tenant back from a backup; no other is touched.

    If a restore was interrupted, the same command finishes it.
    """
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        tenant = catalog.tenants.get(slug)
        place = RestorePaths(tenant, settings)
        unfinished = exists(place.journal) and file is None
        found = file
        if found is None and not unfinished:
            found = newest_backup(tenant, settings)
        passphrase = known_passphrase(passphrase_file, found) if found is not None else None
        if dry_run:
            if found is None:
                click.echo(f"Would finish the interrupted restore of {slug}.")
                return
            manifest = verify_backup(
                found,
                passphrase=passphrase,
                factory=load_factory(settings.factory),
                settings=settings,
            )
            check_owner(manifest, tenant, found)
            when = f"{manifest.created:%Y-%m-%d %H:%M:%S}"
            content = f"{manifest.rows} rows and {len(manifest.files)} files"
            click.echo(f"Would restore {slug} as of {when} UTC: {content} from {plain(found)}.")
            return
        restore_tenant(
            catalog,
            slug,
            found,
            passphrase=passphrase,
            factory=load_factory(settings.factory),
            settings=settings,
            by=actor(),
        )
    source = f" from {plain(found)}" if found is not None else ", which had been interrupted"
    click.echo(f"Restored {slug}{source}. What was there before is in {place.kept}.")
