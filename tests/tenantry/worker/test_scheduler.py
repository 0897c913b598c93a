"""The background thread of a worker, on real nodes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.catalog import SYSTEM, Catalog, node_lease
from tenantry.catalog.directory import Directory
from tenantry.catalog.node_lease import Lease
from tenantry.values.tenant import TenantState
from tenantry.worker.scheduler import PeriodicTask, Scheduler
from tests.conftest import DOMAIN, eventually
from tests.tenantry.support import Workshop, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.pool import InstancePool
    from tenantry.settings import Settings

    OpenCatalog = Callable[..., Catalog]
    Keep = Callable[..., Scheduler]

ACME = f"acme.{DOMAIN}"


@pytest.fixture
def keep() -> Iterator[Keep]:
    """Return a function that starts a scheduler, which ends with the test."""
    keepers: list[Scheduler] = []

    def start(directory: Directory, **options: Any) -> Scheduler:
        scheduler = Scheduler(directory=directory, **options)
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
    keep(directory, poll_seconds=0.01)

    eventually(lambda: suspended(directory))


@pytest.mark.postgresql
def test_a_worker_asks_nothing_while_another_one_listens(
    clean_postgres_url: str,
    open_catalog_at: OpenCatalog,
    make_settings: Callable[..., Settings],
    tmp_path: Path,
    keep: Keep,
    *,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While another worker hears of them, the counter alone tells of changes; else the catalog."""
    here, there = (open_catalog_at(clean_postgres_url, node=name) for name in ("one", "two"))
    tenant = here.tenants.add("acme", name="Acme", by=SYSTEM)
    here.provisioning.activate({tenant.id: None}, by=SYSTEM)
    directory = Counted(there, domain=DOMAIN)
    lease = Lease(make_settings(catalog_url=clean_postgres_url, data_dir=tmp_path / "two"))
    monkeypatch.setattr(node_lease, "HEARD_SECONDS", 3600.0)
    lease.renew(time.monotonic(), drained=False, owners=0)
    keep(directory, lease=lease, poll_seconds=0.001)
    eventually(lambda: directory.follows > 10)
    assert directory.polls == 0
    assert directory.find(ACME)

    there.store.signal.announce(1_000_000)
    here.tenants.transition(tenant.id, TenantState.SUSPENDED, by=SYSTEM)
    there.store.signal.announce(1_000_001)
    eventually(lambda: suspended(directory))
    assert directory.polls == 0

    directory.is_reachable = False  # it has to find out by itself that the catalog is back
    eventually(lambda: directory.is_reachable)
    monkeypatch.setattr(node_lease, "HEARD_SECONDS", 0.0)
    polls = directory.polls
    eventually(lambda: directory.polls > polls + 5)


class Counted(Directory):
    """A directory that counts what the thread does."""

    polls = follows = 0

    def poll(self) -> None:
        self.polls += 1
        super().poll()

    def follow(self) -> None:
        self.follows += 1
        super().follow()


def test_idle_instances_are_evicted(
    catalog: Catalog, keep: Keep, make_pool: Callable[..., InstancePool[Any]]
) -> None:
    """Law 6: nobody has to ask for it."""
    workshop = Workshop()
    pool = make_pool(workshop.build, dispose=workshop.dispose, idle_seconds=0)
    pool.acquire(a_tenant()).release()
    chores = [PeriodicTask(0, pool.evict_idle)]
    keep(Directory(catalog, domain=DOMAIN), tasks=chores, poll_seconds=0.001)

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
    keep(directory, poll_seconds=0.001)

    eventually(lambda: directory.polls > 2)
    assert "a bug" in caplog.text


def test_no_thread_before_it_is_started(catalog: Catalog) -> None:
    """Law 13: making the parts starts nothing, so a server may fork afterwards."""
    before = threading.active_count()
    directory = Directory(catalog, domain=DOMAIN)
    scheduler = Scheduler(directory=directory)

    assert threading.active_count() == before
    scheduler.stop()
