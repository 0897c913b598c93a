"""``tenantry fleet``: the nodes that share a catalog on PostgreSQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tenantry.catalog.joining import (
    check_takeable,
    find_node_id,
    owned_as,
    take_placement,
)
from tenantry.cli.context import actor, dry_run_option, ready_catalog
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_json, echo_table
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from tenantry.settings import Settings


@click.group()
def fleet() -> None:
    """Show the nodes, and take over what a lost one had."""


@fleet.command("status")
@json_option
def show_status(*, as_json: bool) -> None:
    """List the nodes and what belongs to each."""
    settings = get_settings()
    _need_fleet(settings)
    with ready_catalog(settings) as catalog:
        nodes, owners = catalog.nodes.list(), catalog.nodes.find_owners()
        own = find_node_id(settings)
    had = {
        node.id: sorted(name for name, owner in owners.items() if owner.node_id == node.id)
        for node in nodes
    }
    if as_json:
        echo_json(
            [{**asdict(node), "owns": had[node.id], "here": node.id == own} for node in nodes]
        )
        return
    rows = (
        (
            f"{node.name} (here)" if node.id == own else node.name,
            node.id,
            node.release,
            f"{node.age:.0f} s ago",
            ", ".join(had[node.id]),
        )
        for node in nodes
    )
    echo_table(("node", "id", "release", "seen", "owns"), rows)


@fleet.command()
@click.argument("placement")
@dry_run_option
def take(placement: str, *, dry_run: bool) -> None:
    """Let PLACEMENT belong to this node, because the node that had it is gone for good.

    First bring its tenants' files here, from the lost node's disk or a copy. For a placement on a
    server, what is taken over is the folder of its tenants' files.
    """
    settings = get_settings()
    _need_fleet(settings)
    chosen = settings.get_placement(placement)
    with ready_catalog(settings) as catalog:
        check_takeable(catalog, settings, chosen)
        if not dry_run:
            take_placement(catalog, settings, chosen, by=actor())
    what = f"Placement {placement}"
    if owned_as(chosen) != placement:
        what = f"The folder {settings.files_home} of tenants' files"
    click.echo(f"{what} {'would belong' if dry_run else 'belongs'} to this node.")


def _need_fleet(settings: Settings) -> None:
    """Refuse a platform of one node: its catalog is a file."""
    if not settings.is_fleet:
        raise click.ClickException(
            "A catalog on SQLite has one node. Several need a catalog on PostgreSQL: "
            "TENANTRY_CATALOG_URL=postgresql+psycopg://..."
        )
