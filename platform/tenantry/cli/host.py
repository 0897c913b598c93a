"""``tenantry host``: custom hosts of tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tenantry.cli.context import dry_run_option, ready_catalog, ready_operations
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_facts, echo_json, echo_json_array, echo_table
from tenantry.settings import get_settings
from tenantry.values.domain_proof import records_of
from tenantry.values.hosts import shown_host

if TYPE_CHECKING:
    from datetime import datetime

    from tenantry.catalog import Host, HostProof
    from tenantry.settings import Settings


@click.group()
def host() -> None:
    """Add, prove, choose, remove and list custom hosts of tenants."""


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
    """Add the host HOST to the tenant SLUG; it is not served until its DNS records prove it.

    The command prints the records and checks them at once. A worker checks them again with growing
    pauses.
    """
    proof: HostProof | None = "operator" if unproven else None
    settings = get_settings()
    with ready_operations(settings) as operations:
        found = operations.add_host(slug, name, proof=proof, take_over=take_over)
    _echo_result(found, settings)
    if unproven:
        click.echo(f"No one has proved that {found.name} is theirs: it is served on your word.")


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST")
def check(slug: str, name: str) -> None:
    """Check the DNS records of the tenant SLUG's host HOST now.

    An expired host gets a new attempt with a new TXT record.
    """
    settings = get_settings()
    with ready_operations(settings) as operations:
        found = operations.check_host(slug, name)
    _echo_result(found, settings)


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST", required=False)
@click.option("--none", "to_none", is_flag=True, help="Let no host redirect to another one.")
@dry_run_option
def primary(slug: str, name: str | None, *, to_none: bool, dry_run: bool) -> None:
    """Redirect the other hosts of the tenant SLUG to its verified host HOST.

    The redirect is permanent (308) and keeps path and query. /backend is not redirected.
    """
    if (name is None) != to_none:
        raise click.UsageError("Give either HOST or --none.")
    with ready_operations() as operations:
        if dry_run:
            operations.preview_host_primary(slug, name)
            click.echo(
                f"Would redirect the other hosts of {slug} to {name}."
                if name
                else f"Would end the redirects of {slug}."
            )
            return
        tenant = operations.make_host_primary(slug, name)
    if tenant.primary:
        click.echo(f"{slug}'s other hosts redirect to {tenant.primary}.")
    else:
        click.echo(f"{slug} answers on each of its hosts.")


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST")
@dry_run_option
def remove(slug: str, name: str, *, dry_run: bool) -> None:
    """Remove HOST from the tenant SLUG; from the next request on it is a foreign host.

    If it was served, no other tenant gets it for 30 days.
    """
    with ready_operations() as operations:
        found = operations.preview_remove_host(slug, name)
        if dry_run:
            click.echo(f"Would take {found.name} from {slug}.")
            return
        operations.remove_host(slug, name)
    click.echo(f"{slug} no longer answers on {found.name}.")


@host.command()
@click.argument("slug")
@click.argument("name", metavar="HOST")
@json_option
def show(slug: str, name: str, *, as_json: bool) -> None:
    """Show the host HOST of the tenant SLUG, with the DNS records that prove it."""
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        found = catalog.hosts.get(catalog.tenants.get(slug).id, name)
    if as_json:
        echo_json(_as_json(found, settings))
        return
    echo_facts(
        {
            "Host": found.name,
            "Shown as": shown_host(found.name),
            "Tenant": found.tenant_slug,
            "State": _state_of(found),
            "Primary": "yes" if found.is_primary else "no",
            "Problem": found.problem or "none",
            "Checked": _time(found.checked_at, "never"),
            "Next check": _time(found.check_at, "none"),
        }
    )
    _echo_records(found, settings)


@host.command("list")
@click.argument("slug", required=False)
@json_option
def list_hosts(slug: str | None, *, as_json: bool) -> None:
    """List the custom hosts of the tenant SLUG, or of all tenants, including pending ones."""
    settings = get_settings()
    with ready_catalog(settings) as catalog:
        hosts = catalog.hosts.list(catalog.tenants.get(slug).id if slug else None)
    if as_json:
        echo_json_array(_as_json(item, settings) for item in hosts)
        return
    echo_table(
        ["Host", "Tenant", "State", "Since"],
        [
            (
                shown_host(item.name),
                item.tenant_slug,
                _state_of(item),
                f"{item.created_at:%Y-%m-%d}",
            )
            for item in hosts
        ],
    )


def _echo_result(found: Host, settings: Settings) -> None:
    """Say what became of a host, and what is left to do."""
    if found.is_served:
        click.echo(f"{found.tenant_slug} answers on {shown_host(found.name)} too.")
        return
    click.echo(
        f"{shown_host(found.name)} is {found.state} and not served. {found.problem}".rstrip()
    )
    _echo_records(found, settings)
    click.echo(
        f"\nSet them at the domain's DNS provider, then run "
        f"`tenantry host check {found.tenant_slug} {found.name}`."
    )


def _echo_records(found: Host, settings: Settings) -> None:
    proof, leading = records_of(found.name, found.token, settings.domain_targets)
    click.echo("\nDNS records: the TXT record, and the CNAME record or all the others.\n")
    rows = [(record.kind, record.name, record.value) for record in (proof, *leading)]
    echo_table(["Type", "Name", "Value"], rows)


def _as_json(item: Host, settings: Settings) -> dict[str, Any]:
    proof, leading = records_of(item.name, item.token, settings.domain_targets)
    return {
        "host": item.name,
        "shown": shown_host(item.name),
        "tenant": item.tenant_slug,
        "tenant_id": item.tenant_id,
        "state": item.state.value,
        "proof": item.proof,
        "primary": item.is_primary,
        "problem": item.problem,
        "url": settings.url_of(item.name) + "/",
        "created_at": item.created_at.isoformat(),
        "verified_at": _time(item.verified_at),
        "checked_at": _time(item.checked_at),
        "check_at": _time(item.check_at),
        "records": [
            {"type": record.kind, "name": record.name, "value": record.value}
            for record in (proof, *leading)
        ],
    }


def _time(moment: datetime | None, otherwise: str | None = None) -> str | None:
    return otherwise if moment is None else moment.isoformat(timespec="seconds")


def _state_of(item: Host) -> str:
    word = {"operator": "on the operator's word", "dns": "by DNS"}.get(item.proof, "")
    primary = ", primary" if item.is_primary and item.is_served else ""
    return f"{item.state} {word}".rstrip() + primary
