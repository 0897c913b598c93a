"""Databases that stand by for new tenants, so that creating one waits for no schema.

A tenant that takes one over has its id; nothing is renamed. The row comes before the database and goes
after it, so that whatever is killed, the next one who fills finds what was left. Only one process of a
machine fills at a time.
"""

from __future__ import annotations

import logging
import socket
import sqlite3
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy.exc import DBAPIError

from tenantry.catalog import SYSTEM, StandbyState
from tenantry.databases.placements import tenant_database
from tenantry.databases.standby import is_free, take
from tenantry.errors import TenantryError, UnknownSchemaError
from tenantry.files.locks import lock, unlock
from tenantry.migrations import load_history, provision_database
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.catalog import Actor, Catalog, Standby
    from tenantry.factory import Factory
    from tenantry.migrations import History
    from tenantry.settings import Settings
    from tenantry.values.placement import Placement

log = logging.getLogger(__name__)

ABANDONED = timedelta(minutes=10)
"""How long another machine may take to make one."""


def take_over(
    catalog: Catalog,
    factory: Factory,
    add: Callable[..., Tenant],
    *,
    settings: Settings,
    by: Actor,
) -> Tenant:
    """Add a tenant on a database that stands by, or on none if there is none or it is not nobody's.

    :param add: Adds the tenant's row; it takes ``new_id`` and ``template`` of
        :meth:`~tenantry.catalog.Catalog.add_tenant`.
    """
    if not settings.standby or factory.migrations is None:
        return add()
    new_id = uuid.uuid4().hex
    tenant = add(new_id=new_id, template=load_history(factory.migrations).fingerprint)
    if tenant.id == new_id:
        return tenant
    free = False
    try:
        free = take(tenant_database(tenant, settings))
    finally:
        if not free:
            _give_back(catalog, tenant, settings=settings, by=by)
    if free:
        return tenant
    log.error("what stood by as t_%s on %s is not nobody's", tenant.id, tenant.placement)
    return add()


def _give_back(catalog: Catalog, tenant: Tenant, *, settings: Settings, by: Actor) -> None:
    """Forget a tenant whose database could not be taken; who fills next looks what is the matter."""
    try:
        node = _node(settings)
        catalog.put_back_standby(tenant.id, tenant.placement, node=node, by=by)
        catalog.forget_tenant(tenant.id, by=by)
    except TenantryError:
        log.exception("tenant %s (%s) could not be taken back", tenant.slug, tenant.id)


def fill_standbys(
    catalog: Catalog, factory: Factory, *, settings: Settings, step: Callable[[], object] = bool
) -> bool:
    """Have as many stand by as the settings say, at the newest schema; drop all others.

    A placement that fails is tried again the next time, and keeps no other one waiting.

    :param step: Called before each thing that is done.
    :return: Whether it was done; another process of this machine may be at it.
    """
    with _alone(settings) as alone:
        if alone:
            history = load_history(factory.migrations) if factory.migrations is not None else None
            _Filling(catalog, history, factory.migrations, settings, step).fill()
        return alone


class _Filling:
    """One process's way over all placements."""

    def __init__(
        self,
        catalog: Catalog,
        history: History | None,
        migrations: Path | None,
        settings: Settings,
        step: Callable[[], object],
    ) -> None:
        self._catalog = catalog
        self._history = history
        self._migrations = migrations
        self._settings = settings
        self._step = step
        self._node = _node(settings)

    def fill(self) -> None:
        standbys = self._catalog.list_standbys()
        counts = self._catalog.count_placements() if self._is_bounded else {}
        for placement in self._settings.databases:
            found = [standby for standby in standbys if standby.placement == placement.name]
            most = self._settings.standby if self._history is not None else 0
            if placement.tenants:
                most = min(most, max(0, placement.tenants - counts.get(placement.name, 0)))
            try:
                self._fill_placement(placement, found, most)
            except (TenantryError, OSError) as error:
                log.warning("standbys on %s: %s", placement.name, error)
            except (DBAPIError, psycopg.Error, sqlite3.Error):
                log.exception("standbys on %s", placement.name)

    @property
    def _is_bounded(self) -> bool:
        return any(placement.tenants for placement in self._settings.databases)

    def _fill_placement(self, placement: Placement, found: list[Standby], most: int) -> None:
        if any(self._is_newer(standby) for standby in found):
            return  # the next release is at it already
        kept = 0
        for standby in found:
            if self._is_wanted(standby) and kept < most:
                kept += 1
            elif not self._is_in_making(standby):
                self._drop(standby)
        while kept < most and self._make(placement, most):
            kept += 1

    def _is_newer(self, standby: Standby) -> bool:
        """Say whether it has a schema that this release does not know."""
        revision, _, _ = standby.template.rpartition("-")
        if not revision or self._history is None:
            return False
        try:
            self._history.path_from(revision)
        except UnknownSchemaError:
            return True
        return False

    def _is_wanted(self, standby: Standby) -> bool:
        current = self._history is not None and standby.template == self._history.fingerprint
        return current and (standby.state is StandbyState.READY or self._is_in_making(standby))

    def _is_in_making(self, standby: Standby) -> bool:
        """Say whether somebody on another machine may be making it. Here nobody else is: see _alone."""
        young = datetime.now(UTC) - standby.created_at < ABANDONED
        return standby.state is StandbyState.MAKING and standby.node != self._node and young

    def _make(self, placement: Placement, most: int) -> bool:
        """Make one; return whether there is one more."""
        assert self._history is not None
        assert self._migrations is not None
        self._step()
        standby_id = self._catalog.reserve_standby(
            placement.name,
            self._history.fingerprint,
            most=most,
            node=self._node,
            by=SYSTEM,
        )
        if standby_id is None:
            return False
        self._step()
        tenant = _tenant(standby_id, placement.name)
        provision_database(tenant, self._settings, self._migrations, stands_by=True)
        self._step()
        self._catalog.open_standby(standby_id, by=SYSTEM)
        return True

    def _drop(self, standby: Standby) -> None:
        self._step()
        if not self._catalog.close_standby(standby.id, by=SYSTEM):
            return  # a tenant has just taken it
        database = tenant_database(_tenant(standby.id, standby.placement), self._settings)
        self._step()
        if is_free(database):
            database.drop()
        else:
            log.error("t_%s on %s stands by no more and is left", standby.id, standby.placement)
        self._step()
        self._catalog.forget_standby(standby.id, by=SYSTEM)


def _tenant(standby_id: str, placement: str) -> Tenant:
    """Return what names the database of one that stands by."""
    return Tenant(standby_id, f"t-{standby_id}", "", placement=placement)


def _node(settings: Settings) -> str:
    return f"{socket.gethostname()}:{settings.data_dir}"


@contextmanager
def _alone(settings: Settings) -> Iterator[bool]:
    """Say whether no other process of this machine fills now, and keep them away meanwhile."""
    path = settings.run_dir / "standby.lock"
    try:
        descriptor = lock(path, wait=0)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        unlock(path, descriptor)
