"""``tenantry host``: custom hosts of tenants."""

from __future__ import annotations

import click

from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_json_array, echo_table
from tenantry.errors import HostNotFoundError
from tenantry.hosts import canonical_host
from tenantry.settings import get_settings


@click.group()
def host() -> None:
    """Give tenants hosts of their own."""


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST")
def add(slug: str, name: str) -> None:
    """Let the tenant SLUG answer on HOST too, from the next request on.

    Its first host becomes the address in its links. Point HOST's DNS to the server yourself.
    """
    with ready_catalog() as catalog:
        tenant = catalog.add_host(catalog.get_tenant(slug).id, name, by=actor())
    click.echo(f"{slug} answers on {', '.join(tenant.hosts)} too.")


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST")
@dry_run_option
def remove(slug: str, name: str, *, dry_run: bool) -> None:
    """Take HOST from the tenant SLUG; it is answered as a foreign host from the next request on."""
    with ready_catalog() as catalog:
        tenant = catalog.get_tenant(slug)
        canonical = canonical_host(name)
        if canonical not in tenant.hosts:
            raise HostNotFoundError(canonical)
        if dry_run:
            click.echo(f"Would take {canonical} from {slug}.")
            return
        catalog.remove_host(tenant.id, canonical, by=actor())
    click.echo(f"{slug} does not answer on {canonical} any more.")


@host.command("list")
@click.argument("slug", required=False)
@json_option
def list_hosts(slug: str | None, *, as_json: bool) -> None:
    """List the custom hosts of the tenant SLUG, or of all."""
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        hosts = catalog.list_hosts(catalog.get_tenant(slug).id if slug else None)
    if as_json:
        echo_json_array(
            {
                "host": item.name,
                "tenant": item.tenant_slug,
                "tenant_id": item.tenant_id,
                "url": settings.url_of(item.name) + "/",
                "created_at": item.created_at.isoformat(),
            }
            for item in hosts
        )
        return
    echo_table(
        ["Host", "Tenant", "Since"],
        [(item.name, item.tenant_slug, f"{item.created_at:%Y-%m-%d}") for item in hosts],
    )
