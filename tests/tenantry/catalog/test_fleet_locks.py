"""Locks of a fleet: one operation at a time over all nodes, and no commit for who has lost one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.tenant_locks import name_lock, tenant_lock
from tenantry.errors import BundleError, LockLostError, TenantLockedError
from tenantry.values.tenant import TenantState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

pytestmark = pytest.mark.postgresql


@pytest.fixture
def nodes(
    clean_postgres_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> tuple[Settings, Settings]:
    """Return the settings of two nodes with one catalog."""
    one, two = (
        make_settings(catalog_url=clean_postgres_url, data_dir=tmp_path / name)
        for name in ("one", "two")
    )
    return one, two


@pytest.fixture
def fleet(clean_postgres_url: str, open_catalog_at: Callable[..., Catalog]) -> Catalog:
    """Return their catalog."""
    return open_catalog_at(clean_postgres_url)


@pytest.fixture
def acme(fleet: Catalog) -> Tenant:
    """Return a tenant that is served."""
    made = fleet.tenants.add("acme", name="Acme", by=SYSTEM)
    (active,) = fleet.provisioning.activate({made.id: None}, by=SYSTEM)
    return active


def try_elsewhere(tenant: Tenant, doing: str, settings: Settings, *, shared: bool = False) -> None:
    """Be another process that locks the tenant for a moment; raise what it is told."""
    with ThreadPoolExecutor(1) as threads:

        def work() -> None:
            with tenant_lock(tenant, doing, settings=settings, shared=shared, wait=0.1):
                pass

        threads.submit(work).result()


def cut(url: str) -> None:
    """End the connections that hold locks, as a network does that is cut."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE application_name = 'tenantry lock'"
        )


def test_the_other_node_is_told_who_does_what(
    acme: Tenant, nodes: tuple[Settings, Settings]
) -> None:
    """An operation that changes is alone; the refusal names the operation and the node."""
    one, two = nodes
    with tenant_lock(acme, "moved", settings=one):
        with tenant_lock(acme, "exported", settings=one, shared=True):
            pass  # what a holder does itself may lock it again
        node = (one.data_dir / "node_id").read_text()[:8]
        for shared in (False, True):
            with pytest.raises(TenantLockedError, match=rf"being moved by .* \({node}\)"):
                try_elsewhere(acme, "backed up", two, shared=shared)
    try_elsewhere(acme, "restored", two)


def test_those_who_read_get_along_over_nodes(
    acme: Tenant, nodes: tuple[Settings, Settings]
) -> None:
    """A backup here and an export there; neither lets a change in."""
    one, two = nodes
    with (
        tenant_lock(acme, "backed up", settings=one, shared=True),
        tenant_lock(acme, "exported", settings=one, shared=True, wait=0),
    ):
        try_elsewhere(acme, "exported", two, shared=True)
        with pytest.raises(TenantLockedError):
            try_elsewhere(acme, "moved", two)


def test_two_backups_are_not_written_into_one_folder(nodes: tuple[Settings, Settings]) -> None:
    """Names other than tenants' are locked over all nodes, too."""
    one, two = nodes
    with (
        name_lock("backup-1", what="acme", settings=one),
        pytest.raises(BundleError, match="another command uses it on node"),
        name_lock("backup-1", what="acme", settings=two),
    ):
        pass


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_who_has_lost_a_lock_commits_nothing(
    acme: Tenant,
    fleet: Catalog,
    nodes: tuple[Settings, Settings],
    *,
    shared: bool,
) -> None:
    """The lock's connection is cut, another node goes on: the first one's last write is refused."""
    one, two = nodes
    with tenant_lock(acme, "restored", settings=one, shared=shared):
        fleet.tenants.transition(acme.id, TenantState.MAINTENANCE, by=SYSTEM)
        cut(one.catalog_url)
        # Nobody else has come yet, so nothing is in danger.
        fleet.tenants.transition(acme.id, TenantState.ACTIVE, by=SYSTEM)
        epoch = fleet.changes.read_epoch()
        try_elsewhere(acme, "moved", two)
        with pytest.raises(LockLostError, match="was lost"):
            fleet.tenants.transition(acme.id, TenantState.ARCHIVED, by=SYSTEM)
    assert fleet.tenants.get("acme").state is TenantState.ACTIVE
    assert fleet.changes.read_epoch() == epoch
    fleet.tenants.transition(acme.id, TenantState.ARCHIVED, by=SYSTEM)


def test_a_tenant_that_was_moved_meanwhile_is_not_what_was_looked_up(
    acme: Tenant, fleet: Catalog, nodes: tuple[Settings, Settings]
) -> None:
    """Between the look at the catalog and the lock, another node may have ended a move."""
    fleet.relocations.begin(acme.id, "other", by=SYSTEM)
    fleet.relocations.finish(acme.id, "other", detail={}, by=SYSTEM)
    with (
        pytest.raises(TenantLockedError, match="being moved"),
        tenant_lock(acme, "backed up", settings=nodes[0], shared=True),
    ):
        pass
