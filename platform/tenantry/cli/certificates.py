"""``tenantry certificates``: certificates for tenants' own domains, for proxies without ACME."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tenantry.cli.context import dry_run_option, ready_catalog
from tenantry.domains.certificate_expiry import CertificateExpiry, write_expiries
from tenantry.errors import CertificateError
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.domains.certificates import CertificateFolder
    from tenantry.settings import Settings

LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


@click.command()
@click.option("--into", type=click.Path(path_type=Path), help="The folder of the certificates.")
@click.option("--directory", default=LETS_ENCRYPT, show_default=True, help="The authority's URL.")
@click.option("--email", default="", help="Where the authority sends its notices.")
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=30,
    show_default=True,
    help="Renew certificates that end within so many days.",
)
@dry_run_option
def certificates(
    *, into: Path | None, directory: str, email: str, days: int, dry_run: bool
) -> None:
    """Get certificates for all verified domains that need one.

    The authority checks each domain over HTTP; the running platform answers. Run the command daily. By
    using it you agree to the authority's terms.
    """
    from tenantry.domains.certificates import (  # noqa: PLC0415 - other commands need no cryptography
        AcmeClient,
        CertificateFolder,
    )

    settings = get_settings()
    with ready_catalog(settings) as catalog:
        _, served = catalog.hosts.read_served()
    folder = CertificateFolder(into or settings.data_dir / "certificates")
    hosts = sorted(host for hosts in served.values() for host in hosts)
    due = [host for host in hosts if folder.is_due(host, before_end=timedelta(days=days))]
    if dry_run:
        for host in due:
            click.echo(f"Would get a certificate for {host}.")
    if dry_run or not due:
        click.echo(f"{len(hosts)} domains, {len(due)} certificates are due.")
        if not dry_run:
            _write_expiries(settings, folder, hosts)
        return
    folder.path.mkdir(parents=True, exist_ok=True, mode=0o750)
    client = AcmeClient(
        directory,
        email=email,
        key_file=settings.data_dir / "acme" / "account.pem",
        challenges=settings.acme_dir,
    )
    failed = 0
    for host in due:
        try:
            chain, key = client.order(host)
        except CertificateError as error:
            failed += 1
            click.echo(str(error), err=True)
        else:
            folder.save(host, chain=chain, key=key)
            click.echo(f"{host}: {folder.file_of(host)}")
    _write_expiries(settings, folder, hosts)
    if failed:
        raise click.ClickException(f"{failed} of {len(due)} certificates could not be had.")


def _write_expiries(settings: Settings, folder: CertificateFolder, hosts: Sequence[str]) -> None:
    """Note which certificates end first: the console warns of them."""
    expiries = (CertificateExpiry(host, folder.find_end(host)) for host in hosts)
    write_expiries(settings.certificate_expiry, expiries)
