"""``tenantry fleet``: the nodes that share a catalog on PostgreSQL."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tenantry.catalog import schema
from tenantry.catalog.engine import shown
from tenantry.catalog.joining import (
    check_takeable,
    find_node_id,
    owned_as,
    take_placement,
)
from tenantry.cli.context import actor, dry_run_option, reaching_catalog, ready_catalog
from tenantry.cli.listing import json_option
from tenantry.cli.output import echo_json, echo_table
from tenantry.errors import CatalogNotReadyError, NodeNotFoundError
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tenantry.catalog import Node
    from tenantry.settings import Settings


@click.group()
def fleet() -> None:
    """Show and drain the nodes, and take over what a lost one had."""


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
            "never" if node.age is None else f"{node.age:.0f} s ago",
            describe_state(node),
            ", ".join(had[node.id]),
        )
        for node in nodes
    )
    echo_table(("node", "id", "release", "seen", "state", "owns"), rows)


def describe_state(node: Node) -> str:
    """Return whether a node takes visitors."""
    if not node.is_alive:
        return "down"
    return "drained" if node.drained else "ready"


@fleet.command()
@click.argument("node", required=False)
@dry_run_option
def drain(node: str | None, *, dry_run: bool) -> None:
    """Let the balancer send nobody to a node any more, by default to this one."""
    _set_drained(node, drained=True, dry_run=dry_run)


@fleet.command()
@click.argument("node", required=False)
@dry_run_option
def undrain(node: str | None, *, dry_run: bool) -> None:
    """Let the balancer send visitors to a node again, by default to this one."""
    _set_drained(node, drained=False, dry_run=dry_run)


def _set_drained(name: str | None, *, drained: bool, dry_run: bool) -> None:
    settings = get_settings()
    _need_fleet(settings)
    with ready_catalog(settings) as catalog:
        chosen = find_node(catalog.nodes.list(), name or find_node_id(settings))
        if not dry_run:
            catalog.nodes.set_drained(chosen.id, drained=drained, by=actor())
    becomes = "would be" if dry_run else "is"
    click.echo(f"{chosen.shown.capitalize()} {becomes} {'drained' if drained else 'in use'}.")


def find_node(nodes: Sequence[Node], name: str) -> Node:
    """Return the node with this name, or whose id begins so.

    :raises NodeNotFoundError: There is none, or several.
    """
    found = [node for node in nodes if node.id.startswith(name) or node.name == name]
    if len(found) != 1:
        raise NodeNotFoundError(name, "no" if not found else str(len(found)))
    return found[0]


@fleet.command("upgrade")
@click.option(
    "--check", "only_check", is_flag=True, required=True, help="Only tell; change nothing."
)
def check_upgrade(*, only_check: bool) -> None:  # noqa: ARG001 - `tenantry init` upgrades
    """Tell whether nodes of the present release go on when this release upgrades the catalog."""
    settings = get_settings()
    _need_fleet(settings)
    with reaching_catalog(settings) as catalog:
        found = schema.read_revision(catalog.store.engine)
    wanted = schema.head()
    if found is None or found == wanted:
        click.echo(f"There is nothing to upgrade: revision {found or 'none'}.")
        return
    if found > wanted:
        raise CatalogNotReadyError(shown(settings.catalog_url), found, wanted)
    if schema.oldest_user(found) > found:
        raise click.ClickException(
            f"Nodes at revision {found} cannot use revision {wanted}. Stop them all, run `tenantry "
            "init` on one, and start them with this release."
        )
    click.echo(
        f"Nodes at revision {found} can use revision {wanted}. Run `tenantry init` on one node with "
        "this release, and then exchange the nodes one after the other."
    )


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
