"""When an instance leaves and another one comes: nobody is forgotten, nobody gets more than before."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import TenantBusyError
from tenantry.limits.backlog import Listeners
from tenantry.pool import state
from tests.conftest import eventually
from tests.tenantry.support import FakeClock, Instance, Workshop, a_tenant, crowded, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.pool import InstancePool

    MakePool = Callable[..., InstancePool[Instance]]

ACME, BOLT = a_tenant("acme"), a_tenant("bolt")
ACME2, ACME3 = a_tenant("acme", revision=2), a_tenant("acme", revision=3)
SHARE = 2


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


def test_a_hanging_disposal_keeps_no_place_from_who_waits(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 4: an instance that does not come to its end leaves its place all the same."""
    stuck = threading.Event()

    def dispose(instance: Instance) -> None:
        if instance.tenant is ACME:
            assert stuck.wait(30)

    pool = make_pool(workshop.build, dispose=dispose, max_instances=1, build_seconds=3)
    serve(pool, ACME)
    door = workshop.shut("acme")
    with ThreadPoolExecutor(2) as threads:
        older = threads.submit(serve, pool, ACME2)
        eventually(lambda: pool.stats().waiting == 1)
        eventually(older.done)  # out of patience: the older one has served
        newcomer = threads.submit(serve, pool, BOLT)
        eventually(lambda: pool.stats().queued == 1)
        door.set()  # the new instance of acme is idle at once, and has the only place
        try:
            newcomer.result(10)
        finally:
            stuck.set()
    older.result()


def test_a_hanging_disposal_after_a_probe_keeps_nobody_waiting(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 4: nor does one whose probe has failed."""
    stuck = threading.Event()

    def dispose(instance: Instance) -> None:
        if instance.tenant is ACME2:
            assert stuck.wait(30)

    def probe(_instance: Instance, _tenant: object) -> None:
        raise RuntimeError("it does not work")

    pool = make_pool(workshop.build, dispose=dispose, probe=probe, max_instances=1, build_seconds=3)
    serve(pool, ACME)
    door = workshop.shut("acme")
    with ThreadPoolExecutor(2) as threads:
        older = threads.submit(serve, pool, ACME2)
        eventually(older.done)
        newcomer = threads.submit(serve, pool, BOLT)
        eventually(lambda: pool.stats().queued == 1)
        door.set()
        try:
            newcomer.result(10)
        finally:
            stuck.set()
    older.result()


@pytest.fixture(autouse=True)
def _grown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give new instances no credit."""
    monkeypatch.setattr(state, "NEW_SECONDS", 0.0)


def test_a_share_outlives_a_change(make_pool: MakePool, workshop: Workshop) -> None:
    """Whoever still holds the older instance counts: a change gives no tenant more threads."""
    pool = make_pool(workshop.build, max_in_flight=lambda _: SHARE, listeners=crowded())
    first = pool.acquire(ACME)
    with pool.acquire(ACME2) as second:
        assert second.instance is not first.instance
        with pytest.raises(TenantBusyError):
            pool.acquire(ACME2)
        first.release()
        with pool.acquire(ACME2) as third:
            assert third.instance is second.instance


def test_changes_in_a_row_add_nothing_to_a_share(make_pool: MakePool, workshop: Workshop) -> None:
    """However often a tenant changes under its requests, no more of them wait or are served."""
    pool = make_pool(workshop.build, max_in_flight=lambda _: SHARE, listeners=crowded())
    held = [pool.acquire(ACME), pool.acquire(ACME2)]
    door = workshop.shut("acme")
    with pytest.raises(TenantBusyError):
        pool.acquire(ACME3)  # begins the build
    assert pool.stats().waiting == 0
    door.set()
    eventually(lambda: pool.stats().builds_running == 0)
    with pytest.raises(TenantBusyError):
        pool.acquire(ACME3)
    held.pop().release()
    with pool.acquire(ACME3) as lease:
        assert lease.instance.tenant is ACME3
    held.pop().release()
    with pool.acquire(ACME3), pool.acquire(ACME3), pytest.raises(TenantBusyError):
        pool.acquire(ACME3)


def test_a_share_outlives_an_eviction(make_pool: MakePool, workshop: Workshop) -> None:
    """The same where the instance in between was evicted."""
    pool = make_pool(
        workshop.build, max_in_flight=lambda _: SHARE, listeners=crowded(), idle_seconds=0
    )
    first = pool.acquire(ACME)
    pool.acquire(ACME2).release()
    assert pool.evict_idle() == 1
    with pool.acquire(ACME2), pytest.raises(TenantBusyError):
        pool.acquire(ACME2)
    first.release()


class Closed(Listeners):
    """A server's door that is shut while a request asks about it."""

    def __init__(self, shut: Callable[[], None]) -> None:
        super().__init__()
        self._shut = shut

    def has_backlog(self) -> bool:
        self._shut()
        raise ValueError("the listener is closed")


def test_a_turn_for_who_fails_while_waiting_is_handed_on(
    make_pool: MakePool, workshop: Workshop
) -> None:
    """Law 3: a lease that comes in the moment in which its request dies is not lost."""
    clock = FakeClock()
    # The lease's end gives the turn to the request that is asking.
    listeners = Closed(lambda: held.release())  # noqa: PLW0108 - it is there only later
    pool = make_pool(workshop.build, max_in_flight=lambda _: 1, listeners=listeners, clock=clock)
    with pool.acquire(ACME):
        clock.advance(1)
    held = pool.acquire(ACME)
    with pytest.raises(ValueError, match="listener"):
        pool.acquire(ACME)
    assert pool.stats().leases == 0
    with pool.acquire(ACME) as lease:
        assert lease.instance.tenant is ACME
