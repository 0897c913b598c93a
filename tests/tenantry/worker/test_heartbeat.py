"""The thread that listens for all of a node's processes, on a real server."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.joining import find_node_id, join_fleet, take_placement
from tenantry.catalog.listener import CHANNEL, PostgresListener
from tenantry.catalog.node_lease import Lease
from tenantry.catalog.values import NewJob
from tenantry.worker.heartbeat import Heartbeat
from tests.conftest import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.settings import Settings

    OpenCatalog = Callable[..., Catalog]

pytestmark = pytest.mark.postgresql
NO_SECONDS = 0.01


@pytest.fixture
def url(clean_postgres_url: str) -> str:
    """Return the catalog's URL."""
    return clean_postgres_url


@pytest.fixture
def settings(url: str, make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Return the settings of the node that listens."""
    return make_settings(catalog_url=url, data_dir=tmp_path / "two")


@pytest.fixture
def here(url: str, open_catalog_at: OpenCatalog) -> Catalog:
    """Return the catalog as another node has it."""
    return open_catalog_at(url, node="one/run")


@pytest.fixture
def there(url: str, open_catalog_at: OpenCatalog, settings: Settings) -> Catalog:
    """Return the catalog as the node that listens has it."""
    catalog = open_catalog_at(url, node="two/run")
    join_fleet(catalog, settings)
    return catalog


@pytest.fixture
def start(there: Catalog, settings: Settings) -> Iterator[Callable[..., Heartbeat]]:
    """Return a function that starts one worker's thread, which ends with the test."""
    beats: list[Heartbeat] = []

    def start_one(of: Settings = settings) -> Heartbeat:
        beats.append(Heartbeat(there, of, Lease(settings)))
        beats[-1].start()
        return beats[-1]

    yield start_one
    for heartbeat in beats:
        heartbeat.stop()


def listening(url: str) -> list[int]:
    """Return the server's processes for connections that listen."""
    query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND state = 'idle'"
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        return [pid for (pid,) in connection.execute(query)]


def test_a_change_of_another_node_moves_the_counter(
    url: str, here: Catalog, there: Catalog, settings: Settings, start: Callable[..., Heartbeat]
) -> None:
    """Law 7: all workers of the node see it at their next request, and one connection is enough."""
    for _ in range(3):
        start()
    eventually(lambda: Lease(settings).is_valid and len(listening(url)) == 1)
    for name in ("acme", "globex"):
        here.tenants.add(name, name=name, by=SYSTEM)
        eventually(lambda: there.store.signal.cell[0] == here.changes.read_epoch())
    assert len(listening(url)) == 1


def test_a_job_of_another_node_wakes_the_job_workers(
    here: Catalog, there: Catalog, settings: Settings, start: Callable[..., Heartbeat]
) -> None:
    """They wait at the node's pipe: none of them needs a connection of its own for that."""
    reader = there.jobs.pipe.open_reader()
    try:
        start()
        eventually(lambda: Lease(settings).is_valid)
        here.jobs.add(NewJob(name="shop.count", arguments={}), by=SYSTEM)
        eventually(lambda: _has_byte(reader))
    finally:
        os.close(reader)


def test_every_worker_follows_the_owners_of_placements(
    here: Catalog,
    settings: Settings,
    make_settings: Callable[..., Settings],
    start: Callable[..., Heartbeat],
    tmp_path: Path,
) -> None:
    """A placement that another node takes over is refused by all workers, though one asks for it."""
    start()
    eventually(lambda: Lease(settings).is_valid)
    # Of another worker, which does not hold the lock.
    another = make_settings(catalog_url=settings.catalog_url, data_dir=settings.data_dir)
    start(another)
    placement = settings.databases[0]
    other = make_settings(catalog_url=settings.catalog_url, data_dir=tmp_path / "one")
    join_fleet(here, other)
    assert not another.find_other_node(placement.name)
    with here.store.updating() as connection:
        connection.exec_driver_sql("UPDATE nodes SET seen_at = seen_at - interval '1 hour'")
    take_placement(here, other, other.databases[0], by=SYSTEM)
    eventually(lambda: settings.find_other_node(placement.name))
    eventually(lambda: another.find_other_node(placement.name))


def test_a_drained_node_says_so(
    here: Catalog, settings: Settings, start: Callable[..., Heartbeat]
) -> None:
    """The word of an operator on one node reaches the lease of the other one, and the catalog."""
    start()
    lease, own = Lease(settings), find_node_id(settings)
    eventually(lambda: lease.is_valid)
    assert not here.nodes.is_drained(own)
    here.nodes.set_drained(own, drained=True, by=SYSTEM)
    assert here.nodes.is_drained(own)
    eventually(lambda: lease.is_drained)


def test_a_lost_listener_comes_back(url: str, here: Catalog) -> None:
    """Law 7: a connection that is cut is opened again; meanwhile waiting is just waiting."""
    listener = PostgresListener(here.store.engine, CHANNEL)
    stopping = threading.Event()
    assert listener.wait(NO_SECONDS, stopping) == set()
    (pid,) = listening(url)
    with here.store.engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    eventually(lambda: not listening(url))
    listener.wait(NO_SECONDS, stopping)
    listener.wait(NO_SECONDS, stopping)

    assert listening(url) not in ([], [pid])
    here.tenants.add("acme", name="Acme", by=SYSTEM)
    assert listener.wait(10, stopping) == {CHANNEL}
    listener.close()
    listener.close()


def _has_byte(descriptor: int) -> bool:
    try:
        return bool(os.read(descriptor, 1))
    except BlockingIOError:
        return False
