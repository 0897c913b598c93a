"""``tenantry backup``: make, list and verify backups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tenantry.cli.context import (
    operations_on,
    reaching_catalog,
    ready_catalog,
    ready_operations,
)
from tenantry.cli.listing import every_tenant, json_option
from tenantry.cli.machine import explain_failure
from tenantry.cli.output import echo_json, echo_table, plain, progress
from tenantry.cli.passphrase import known_passphrase, new_passphrase, passphrase_option
from tenantry.errors import CatalogUnavailableError, TenantryError
from tenantry.files.disk import is_dir
from tenantry.lifecycle.backup import read_backups
from tenantry.lifecycle.export import WITHOUT_DATA
from tenantry.lifecycle.tenant_paths import backups_dir
from tenantry.settings import get_settings
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog
    from tenantry.lifecycle.backup import Backup


class _Backup(click.Group):
    """A group whose command ``make`` need not be said."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Backup)
def backup() -> None:
    """Back up tenants, and list and verify backups."""


def _folder_option(text: str) -> Callable[..., Any]:
    return click.option(
        "--to", "folder", type=click.Path(file_okay=False, path_type=Path), help=text
    )


@backup.command()
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@click.option("--all", "every", is_flag=True, help="Every tenant that has data.")
@_folder_option("The folder of the tenants' backup folders.  [default: backups in the data folder]")
@click.option("--keep", type=click.IntRange(1), help="Keep only this many backups of each tenant.")
@passphrase_option("Encrypt")
def make(
    slugs: tuple[str, ...],
    *,
    every: bool,
    folder: Path | None,
    keep: int | None,
    passphrase_file: Path | None,
) -> None:
    """Back up each tenant SLUG, or all, while their sites are in use.

    If one cannot be backed up, the others still are, and the exit code is 1.
    """
    if every == bool(slugs):
        raise click.UsageError("Give either tenants or --all.")
    passphrase = new_passphrase(passphrase_file, encrypt=False)
    made = skipped = failed = 0
    with ready_operations() as operations:
        wanted = _all_slugs(operations.catalog) if every else list(slugs)
        with progress("Backing up", total=len(wanted)) as step:
            for slug in wanted:
                try:
                    done = operations.backup(slug, folder=folder, keep=keep, passphrase=passphrase)
                except CatalogUnavailableError:
                    raise
                except Exception as error:
                    # Nothing of one tenant's, not even its disk's failure, keeps others from theirs.
                    said = (
                        str(error) if isinstance(error, TenantryError) else explain_failure(error)
                    )
                    if said is None:
                        raise
                    failed += 1
                    click.echo(plain(said if slug in said else f"{slug}: {said}"), err=True)
                else:
                    made += done.is_new
                    skipped += not done.is_new
                    if not every:
                        click.echo(_told(slug, done))
                step()
    if failed:
        raise click.ClickException(f"{made + skipped} were backed up, {failed} were not.")
    if every:
        click.echo(f"Backed up {made}; {skipped} had not changed since their last backup.")


@backup.command("list")
@click.argument("slugs", nargs=-1, metavar="[SLUG]...")
@_folder_option("The folder to read.  [default: backups in the data folder]")
@json_option
def list_backups(slugs: tuple[str, ...], *, folder: Path | None, as_json: bool) -> None:
    """List the backups of each tenant SLUG, or all, the newest first."""
    settings = get_settings()
    home = folder or backups_dir(settings)
    with ready_catalog(settings) as catalog:
        wanted = {f"t_{catalog.tenants.get(slug).id}" for slug in slugs}
    names = sorted(path.name for path in home.glob("t_*") if is_dir(path))
    found = [
        item for name in names if not slugs or name in wanted for item in read_backups(home / name)
    ]
    if as_json:
        echo_json([_to_json(item) for item in found])
        return
    header = ["Site", "Made", "Bytes", "Rows", "Files", "File"]
    echo_table(header, [_to_row(item) for item in found])


@backup.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@passphrase_option("Decrypt")
def verify(file: Path, *, passphrase_file: Path | None) -> None:
    """Unpack the backup FILE into a scratch folder, and check everything in it."""
    passphrase = known_passphrase(passphrase_file, file)
    settings = get_settings()
    with reaching_catalog(settings) as catalog:  # a backup is verified on any machine
        manifest = operations_on(catalog, settings).verify(file, passphrase=passphrase)
    content = f"{counted(manifest.rows, 'row')}, {counted(len(manifest.files), 'file')}"
    shown = plain(manifest.tenant.slug)
    click.echo(f"{plain(file)} is sound: {shown}, {content}, {manifest.size} bytes.")


@backup.command()
@click.argument("slug")
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The backup.  [default: the newest one]",
)
def drill(slug: str, *, file: Path | None) -> None:
    """Try a restore of SLUG: restore a backup beside it, ask for the front page, and remove all of it.

    The site is not touched, and what is made takes no visitors.
    """
    with ready_operations() as operations:
        manifest = operations.drill(slug, file)
    content = f"{counted(manifest.rows, 'row')}, {counted(len(manifest.files), 'file')}"
    when = f"{manifest.created:%Y-%m-%d %H:%M:%S}"
    click.echo(f"A restore of {slug} as of {when} UTC works: {content}. It was removed again.")


def _all_slugs(catalog: Catalog) -> list[str]:
    return [row.slug for row in every_tenant(catalog) if row.state not in WITHOUT_DATA]


def _told(slug: str, done: Backup) -> str:
    if done.is_new:
        return f"Backed up {slug}: {plain(done.path)}, {done.size} bytes."
    return f"{slug} has not changed since {plain(done.path)}."


def _to_row(item: Backup) -> list[object]:
    manifest, made = item.manifest, f"{item.created:%Y-%m-%d %H:%M:%S}"
    if manifest is None:
        return ["(damaged)" if item.problem else "(encrypted)", made, item.size, "", "", item.path]
    rows, files = manifest.rows, len(manifest.files)
    return [manifest.tenant.slug, made, item.size, rows, files, item.path]


def _to_json(item: Backup) -> dict[str, Any]:
    manifest = item.manifest
    facts: dict[str, Any] = {
        "file": str(item.path),
        "made_at": item.created.isoformat(),
        "size": item.size,
        "encrypted": manifest is None and not item.problem,
        "problem": item.problem,
        "id": item.path.parent.name.removeprefix("t_"),
    }
    if manifest is not None:
        facts |= {
            "slug": manifest.tenant.slug,
            "rows": manifest.rows,
            "files": len(manifest.files),
            "revision": manifest.database.revision if manifest.database else "",
        }
    return facts
