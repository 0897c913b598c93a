"""The background thread of a worker, on real nodes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.directory import Directory
from tenantry.catalog.listener import open_listener
from tenantry.values.tenant import TenantState
from tenantry.worker.scheduler import PeriodicTask, Scheduler
from tests.conftest import DOMAIN, eventually
from tests.tenantry.support import Workshop, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.pool import InstancePool

    OpenCatalog = Callable[..., Catalog]
    Keep = Callable[..., Scheduler]

ACME = f"acme.{DOMAIN}"


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Return a function that starts a scheduler, which ends with the test."""
    keepers: list[Scheduler] = []

    def start(catalog: Catalog, directory: Directory, **options: Any) -> Scheduler:
        scheduler = Scheduler(catalog=catalog, directory=directory, **options)
        scheduler.start()
        keepers.append(scheduler)
        return scheduler

    yield start
    for scheduler in keepers:
        scheduler.stop()


def suspended(directory: Directory) -> bool:
    """Look without asking the catalog: the thread alone has to bring the news."""
    known = directory._known.get(ACME)
    return known is None or known.state is TenantState.SUSPENDED


def listening(url: str) -> int:
    """Return the process id of the server's side of a LISTEN, 0 if there is none."""
    query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND state = 'idle'"
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0


def test_polling_finds_what_nobody_announced(
    any_url: str, open_catalog_at: OpenCatalog, keep: Keep
) -> None:
    """Law 7: a node without the fast path sees a change at its next poll."""
    here, there = open_catalog_at(any_url), open_catalog_at(any_url, node="another")
    directory = Directory(there, domain=DOMAIN)
    tenant = here.tenants.add("acme", name="Acme", by=SYSTEM)
    here.provisioning.activate({tenant.id: None}, by=SYSTEM)
    assert directory.find(ACME)
    here.tenants.transition(tenant.id, TenantState.SUSPENDED, by=SYSTEM)
    assert not suspended(directory)
    keep(there, directory, poll_seconds=0.01)

    eventually(lambda: suspended(directory))


@pytest.mark.postgresql
def test_a_notice_wakes_another_node(
    clean_postgres_url: str, open_catalog_at: OpenCatalog, keep: Keep
) -> None:
    """Law 7: on PostgreSQL a change on one node wakes the other long before its next poll."""
    url = clean_postgres_url
    here, there = open_catalog_at(url), open_catalog_at(url, node="another")
    directory = Directory(there, domain=DOMAIN)
    tenant = here.tenants.add("acme", name="Acme", by=SYSTEM)
    tenant = here.provisioning.activate({tenant.id: None}, by=SYSTEM)[0]
    scheduler = keep(there, directory, poll_seconds=60)
    for state in (TenantState.SUSPENDED, TenantState.ACTIVE, TenantState.SUSPENDED):
        eventually(lambda: listening(url))
        assert directory.find(ACME) == tenant
        tenant = here.tenants.transition(tenant.id, state, by=SYSTEM)
        eventually(lambda: ACME not in directory._known)

    stopping = threading.Thread(target=scheduler.stop)
    stopping.start()
    eventually(scheduler._thread.stopping.is_set)
    here.tenants.configure(tenant.id, name="Wakes it once more", by=SYSTEM)
    stopping.join(10)
    assert not stopping.is_alive()


@pytest.mark.postgresql
def test_a_lost_listener_comes_back(clean_postgres_url: str, open_catalog_at: OpenCatalog) -> None:
    """Law 7: a connection that is cut is opened again; meanwhile waiting is just waiting."""
    url = clean_postgres_url
    catalog = open_catalog_at(url)
    listener = open_listener(catalog.store.engine)
    stopping = threading.Event()
    listener.wait(0.01, stopping)
    pid = listening(url)
    assert pid
    with catalog.store.engine.begin() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
    eventually(lambda: not listening(url))
    listener.wait(0.01, stopping)
    listener.wait(0.01, stopping)

    assert listening(url) not in {0, pid}
    listener.close()
    listener.close()


def test_idle_instances_are_evicted(
    catalog: Catalog, keep: Keep, make_pool: Callable[..., InstancePool[Any]]
) -> None:
    """Law 6: nobody has to ask for it."""
    workshop = Workshop()
    pool = make_pool(workshop.build, dispose=workshop.dispose, idle_seconds=0)
    pool.acquire(a_tenant()).release()
    chores = [PeriodicTask(0, pool.evict_idle)]
    keep(catalog, Directory(catalog, domain=DOMAIN), tasks=chores, poll_seconds=0.001)

    eventually(lambda: workshop.disposed)


def test_a_failing_task_does_not_end_the_thread(
    catalog: Catalog, keep: Keep, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 8: whatever goes wrong once is tried again, and is in the log."""

    class Shaky(Directory):
        polls = 0

        def poll(self) -> None:
            self.polls += 1
            raise RuntimeError("a bug")

    directory = Shaky(catalog, domain=DOMAIN)
    keep(catalog, directory, poll_seconds=0.001)

    eventually(lambda: directory.polls > 2)
    assert "a bug" in caplog.text


def test_no_thread_before_it_is_started(catalog: Catalog) -> None:
    """Law 13: making the parts starts nothing, so a server may fork afterwards."""
    before = threading.active_count()
    directory = Directory(catalog, domain=DOMAIN)
    scheduler = Scheduler(catalog=catalog, directory=directory)

    assert threading.active_count() == before
    scheduler.stop()
