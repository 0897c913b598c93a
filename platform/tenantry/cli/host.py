"""``tenantry host``: custom hosts of tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_json_array, echo_table
from tenantry.errors import HostNotFoundError
from tenantry.settings import get_settings
from tenantry.values.hosts import canonical_host

if TYPE_CHECKING:
    from tenantry.catalog import Host, HostProof


@click.group()
def host() -> None:
    """Add, remove and list custom hosts of tenants."""


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST")
@click.option(
    "--unproven", is_flag=True, help="Serve it without proof that the domain belongs to the tenant."
)
@click.option(
    "--take-over", is_flag=True, help="Also if another tenant had it in the last 30 days."
)
def add(slug: str, name: str, *, unproven: bool, take_over: bool) -> None:
    """Add the host HOST to the tenant SLUG; it is not served until it is verified.

    The host that is verified first becomes the address in the tenant's links. Point HOST's DNS to the
    server yourself.
    """
    proof: HostProof | None = "operator" if unproven else None
    with ready_catalog() as catalog:
        found = catalog.tenants.get(slug)
        tenant = catalog.hosts.add(found.id, name, proof=proof, take_over=take_over, by=actor())
    canonical = canonical_host(name)
    if canonical in tenant.hosts:
        click.echo(f"{slug} answers on {', '.join(tenant.hosts)} too.")
        if unproven:
            click.echo(f"No one has proved that {canonical} is theirs: it is served on your word.")
    else:
        click.echo(
            f"{canonical} is pending and not served: nobody has proved that it is {slug}'s. "
            f"`tenantry host add {slug} {canonical} --unproven` serves it on your word."
        )


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST")
@dry_run_option
def remove(slug: str, name: str, *, dry_run: bool) -> None:
    """Remove HOST from the tenant SLUG; from the next request on it is a foreign host.

    If it was served, no other tenant gets it for 30 days.
    """
    with ready_catalog() as catalog:
        tenant = catalog.tenants.get(slug)
        canonical = canonical_host(name)
        if all(found.name != canonical for found in catalog.hosts.list(tenant.id)):
            raise HostNotFoundError(canonical)
        if dry_run:
            click.echo(f"Would take {canonical} from {slug}.")
            return
        catalog.hosts.remove(tenant.id, canonical, by=actor())
    click.echo(f"{slug} no longer answers on {canonical}.")


@host.command("list")
@click.argument("slug", required=False)
@json_option
def list_hosts(slug: str | None, *, as_json: bool) -> None:
    """List the custom hosts of the tenant SLUG, or of all tenants, including pending ones."""
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        hosts = catalog.hosts.list(catalog.tenants.get(slug).id if slug else None)
    if as_json:
        echo_json_array(
            {
                "host": item.name,
                "tenant": item.tenant_slug,
                "tenant_id": item.tenant_id,
                "state": item.state.value,
                "proof": item.proof,
                "url": settings.url_of(item.name) + "/",
                "created_at": item.created_at.isoformat(),
                "verified_at": item.verified_at.isoformat() if item.verified_at else None,
            }
            for item in hosts
        )
        return
    echo_table(
        ["Host", "Tenant", "State", "Since"],
        [
            (item.name, item.tenant_slug, _state_of(item), f"{item.created_at:%Y-%m-%d}")
            for item in hosts
        ],
    )


def _state_of(item: Host) -> str:
    word = {"operator": "on the operator's word", "dns": "by DNS"}.get(item.proof, "")
    return f"{item.state} {word}".rstrip()
