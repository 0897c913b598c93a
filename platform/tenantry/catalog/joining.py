"""Joins a node to its fleet: its row, its keys, and what belongs to it.

A SQLite placement belongs to one node. So does the folder of tenants' files, unless nodes share it.
A catalog on SQLite has one node, which owns everything: nothing is asked or written.
"""

from __future__ import annotations

import socket
from importlib.metadata import version
from typing import TYPE_CHECKING

from tenantry.databases.sqlite_file import FILE_NAME
from tenantry.errors import NodeAliveError, NodeKeysError
from tenantry.files.disk import exists
from tenantry.files.ids import ensure_id
from tenantry.security.keys import PLATFORM, keys_of

if TYPE_CHECKING:
    from tenantry.catalog import Actor, Catalog
    from tenantry.settings import Settings
    from tenantry.values.placement import Placement

FILES = "@files"
"""The name under which the folder of tenants' files has an owner; no placement can have it."""
NOBODY = "a node that has not joined yet: its tenants' files are not here"


def join_fleet(catalog: Catalog, settings: Settings, *, accept_keys: bool = False) -> None:
    """Make this node known, and note in *settings* which placements belong to other nodes.

    :param accept_keys: Let this node's secret keys be the platform's from now on.
    :raises NodeKeysError: Its secret keys are others than those of the other nodes.
    :raises NodeIdError: The file with its id is damaged.
    """
    if not settings.is_fleet:
        return
    node_id = find_node_id(settings)
    _check_keys(catalog, settings, anyway=accept_keys)
    catalog.nodes.register(
        node_id, name=socket.gethostname()[:255], release=version("tenantry")[:40]
    )
    owned = catalog.nodes.find_owners()
    for name in dict.fromkeys(owned_as(placement) for placement in settings.databases):
        if name not in owned and _may_claim(name, catalog, settings, node_id):
            catalog.nodes.claim(name, own_id(name, settings), node_id=node_id)
    refresh_owners(catalog, settings)


def refresh_owners(catalog: Catalog, settings: Settings) -> dict[str, str]:
    """Note in *settings* which placements belong to other nodes now; return the nodes by placement."""
    owners = catalog.nodes.find_owners()
    others = {}
    for placement in settings.databases:
        name = owned_as(placement)
        owner = owners.get(name)
        if owner is None or owner.id != own_id(name, settings):
            others[placement.name] = NOBODY if owner is None else owner.node
    settings.note_other_nodes(others)
    return others


def find_elsewhere(catalog: Catalog, settings: Settings) -> tuple[str, ...]:
    """Return the placements that belong to other nodes now."""
    if settings.is_fleet:
        refresh_owners(catalog, settings)
    return settings.other_placements


def is_drained(catalog: Catalog, settings: Settings) -> bool:
    """Say whether an operator has drained this node."""
    return settings.is_fleet and catalog.nodes.is_drained(find_node_id(settings))


def take_placement(
    catalog: Catalog, settings: Settings, placement: Placement, *, by: Actor
) -> None:
    """Let a placement, or the files of one on a server, belong to this node.

    :raises NodeAliveError: The node that has it lives.
    """
    check_takeable(catalog, settings, placement)
    name = owned_as(placement)
    node_id = find_node_id(settings)
    catalog.nodes.take(name, own_id(name, settings), node_id=node_id, by=by)
    refresh_owners(catalog, settings)


def check_takeable(catalog: Catalog, settings: Settings, placement: Placement) -> None:
    """Refuse a placement whose node lives: two nodes would serve one site from two files.

    :raises NodeAliveError: It does.
    """
    owner = catalog.nodes.find_owners().get(owned_as(placement))
    if owner is None or owner.node_id == find_node_id(settings):
        return
    for node in catalog.nodes.list():
        if node.id == owner.node_id and node.is_alive:
            seconds = round(node.age or 0.0)
            raise NodeAliveError(placement.name, node=node.shown, seconds=seconds)


def find_node_id(settings: Settings) -> str:
    """Return the random id of this node, made at its first use.

    :raises NodeIdError: Its file is damaged.
    """
    return ensure_id(settings.data_dir / "node_id")


def owned_as(placement: Placement) -> str:
    """Return the name under which a placement has an owner."""
    return placement.name if placement.kind == "sqlite" else FILES


def own_id(name: str, settings: Settings) -> str:
    """Return what this node is called as an owner of *name*."""
    if name == FILES:
        return ensure_id(settings.files_home / "files_id")
    return find_node_id(settings)


def _check_keys(catalog: Catalog, settings: Settings, *, anyway: bool) -> None:
    if not settings.secret_keys:
        return  # those who need keys are told to run `tenantry init`
    keys = keys_of(settings.secret_keys).derive(PLATFORM, "same keys on all nodes")
    if not catalog.nodes.accept_keys([key.hex() for key in keys], anyway=anyway):
        file = settings.secret_keys_file
        raise NodeKeysError(str(file) if exists(file) else "TENANTRY_SECRET_KEYS")


def _may_claim(name: str, catalog: Catalog, settings: Settings, node_id: str) -> bool:
    """Say whether what nobody has is this node's: tenants' files are here, or there are none yet.

    A catalog from before there were nodes may have tenants whose files are on another node.
    """
    if name == FILES:
        if not catalog.nodes.has_others(node_id):
            return True
        placements = [one.name for one in settings.databases if one.kind != "sqlite"]
        tenants = catalog.nodes.sample_tenants(placements)
        paths = [settings.tenant_dir(tenant_id) for tenant_id in tenants]
    else:
        tenants = catalog.nodes.sample_tenants([name])
        folder = settings.get_placement(name).folder or settings.data_dir / "tenants"
        paths = [folder / f"t_{tenant_id}" / FILE_NAME for tenant_id in tenants]
    return not paths or any(exists(path) for path in paths)
