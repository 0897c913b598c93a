"""When an instance leaves and another one comes: nobody is forgotten, nobody gets more than before."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.conftest import eventually
from tests.tenantry.support import Instance, Workshop, a_tenant, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.pool import InstancePool

    MakePool = Callable[..., InstancePool[Instance]]

ACME, ACME2, BOLT = a_tenant("acme"), a_tenant("acme", revision=2), a_tenant("bolt")


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
