"""The locks of operations: files on one machine, the catalog's server in a fleet."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from tenantry.catalog.fleet_locks import LockHeldError, fleet_lock
from tenantry.catalog.joining import own_id, owned_as
from tenantry.catalog.values import shown_node
from tenantry.databases.placements import check_here
from tenantry.errors import BundleError, ElsewhereError, TenantLockedError
from tenantry.files import locks
from tenantry.files.scratch import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

_OWNER = (
    "SELECT owner, node_id, coalesce(nodes.name, '?') FROM placement_owners "
    "LEFT JOIN nodes ON nodes.id = node_id WHERE placement_owners.name = %s"
)

_held: ContextVar[frozenset[str]] = ContextVar("tenantry_held_in_fleet", default=frozenset())
"""Ids of tenants that the code which runs here has locked for itself alone."""


@contextmanager
def tenant_lock(
    tenant: Tenant,
    doing: str,
    *,
    settings: Settings,
    shared: bool = False,
    wait: float = locks.WAIT_SECONDS,
    with_data: bool = True,
) -> Iterator[None]:
    """Keep other operations from the tenant meanwhile. What a holder does itself may lock it again.

    :param doing: What is done to the tenant, for those who are kept away: it is being *restored*.
    :param shared: Only those that exchange or destroy something are kept away, not each other.
    :param wait: Seconds to wait for another operation.
    :param with_data: Whether its database or its files are needed.
    :raises TenantLockedError: Another operation is at work on it, here or on another node.
    :raises ElsewhereError: Its database or its files belong to another node.
    """
    if not settings.is_fleet:
        with locks.tenant_lock(tenant, doing, data_dir=settings.data_dir, shared=shared, wait=wait):
            yield
        return
    if with_data:
        check_here(tenant.placement, settings)
    if tenant.id in _held.get():
        yield
        return
    with _fleet_tenant_lock(tenant, doing, settings=settings, shared=shared, wait=wait) as holding:
        if with_data:
            _check_owner(holding, tenant, settings)
        held = _held.set(_held.get() if shared else _held.get() | {tenant.id})
        try:
            yield
        finally:
            _held.reset(held)


@contextmanager
def name_lock(name: str, *, what: str, settings: Settings, shared: bool = False) -> Iterator[None]:
    """Keep other commands, of all nodes, away from what is called *name*.

    :param what: What errors call it.
    :raises BundleError: Another one is at it. What a killed one held is free.
    """
    if not settings.is_fleet:
        with alone(settings.data_dir, name, what=what, shared=shared):
            yield
        return
    try:
        lock = fleet_lock(name, "used", settings=settings, shared=shared)
        with lock:
            yield
    except LockHeldError as error:
        problem = f"another command uses it on {error.holder.node}; wait until it ends"
        raise BundleError(what, problem) from error


@contextmanager
def _fleet_tenant_lock(
    tenant: Tenant, doing: str, *, settings: Settings, shared: bool, wait: float
) -> Iterator[psycopg.Connection[Any]]:
    try:
        lock = fleet_lock(f"t_{tenant.id}", doing, settings=settings, shared=shared, wait=wait)
        with lock as connection:
            yield connection
    except LockHeldError as error:
        by = error.holder
        raise TenantLockedError(tenant.slug, by.doing, by.process, by.since, by.node) from error


def _check_owner(connection: psycopg.Connection[Any], tenant: Tenant, settings: Settings) -> None:
    """Make sure, now that nobody else can change it, that the tenant's data are this node's.

    :raises TenantLockedError: It has been moved since it was looked up.
    :raises ElsewhereError: Another node has taken its placement over.
    """
    row = connection.execute("SELECT placement FROM tenants WHERE id = %s", (tenant.id,)).fetchone()
    if row is not None and row[0] != tenant.placement:
        raise TenantLockedError(tenant.slug, "moved")
    for placement in settings.databases:
        if placement.name == tenant.placement:
            name = owned_as(placement)
            owner = connection.execute(_OWNER, (name,)).fetchone()
            if owner is not None and owner[0] != own_id(name, settings):
                raise ElsewhereError(placement.name, shown_node(owner[1], owner[2]))
