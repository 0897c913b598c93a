"""Every acknowledged write is there, and none is anywhere else, whatever is done meanwhile.

`make history SECONDS=600` does for longer what the test does for some seconds.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.history.check import count_statuses, find_violations, summary
from tests.history.record import Look
from tests.live.history.breaker import Breaker
from tests.live.history.clients import clients
from tests.live.history.deployment import KINDS, Deployment
from tests.live.history.operators import Operator
from tests.live.history.postgres import OwnPostgres
from tests.live.history.raw import find_files, find_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.postgresql
CLIENTS = 4


@pytest.fixture
def deployment(folder: Path) -> Iterator[Deployment]:
    """Return a running platform with a PostgreSQL server of its own."""
    with OwnPostgres() as postgres:
        (folder / "history").mkdir()
        running = Deployment(folder / "history", postgres)
        running.prepare()
        with running:
            yield running


def test_acknowledged_writes_are_there_and_nowhere_else(
    deployment: Deployment, pytestconfig: pytest.Config
) -> None:
    """Nothing that was acknowledged is lost, doubled, halved, back again or in another site."""
    seconds = pytestconfig.getoption("--history-seconds")
    seed = pytestconfig.getoption("--history-seed")
    chances = [random.Random(f"{seed} {number}") for number in range(CLIENTS + 2)]
    operator = Operator(deployment, chances.pop())
    breaker = Breaker(deployment, chances.pop())
    stopping = threading.Event()
    breaking = threading.Thread(target=breaker.work, args=(stopping,))
    with clients(deployment, chances):
        breaking.start()
        try:
            operator.work(time.monotonic() + seconds)
        finally:
            stopping.set()
            breaking.join()

    if not deployment.history.complaints:  # what was given up half-way cannot be compared
        look_at_all(deployment)
    violations = find_violations(deployment.history)
    tell(deployment, [*operator.done, *breaker.done])
    assert not violations, f"with --history-seed={seed}: {summary(violations)}"
    assert len(deployment.history.writes) > 100


def tell(deployment: Deployment, done: list[str]) -> None:
    """Print what a long run amounts to, and what a failed one is looked into by."""
    history = deployment.history
    counts = dict(Counter(name.partition(" ")[0] for name in done))
    told = f"{len(history.writes)} writes, {len(history.erasures)} erasures, {len(history.looks)} looks"
    lines = [f"{told}; {count_statuses(history)}; {counts}", *deployment.spoken, deployment.log()]
    print("\n".join(lines))  # noqa: T201


def look_at_all(deployment: Deployment) -> None:
    """Compare all databases there are with what the catalog and the history know."""
    history = deployment.history
    sites = deployment.sites.all()
    for site in sites:
        started = time.monotonic()
        content = deployment.read(site)
        history.note(Look(site.id, started, time.monotonic(), content.rows, how="at the end"))
        if content.misapplied() or content.revision != f"{deployment.revision:04}":
            wanted = f"{site.slug}, which has to be at {deployment.revision:04}"
            history.complain(f"{wanted}: {content.misapplied() or content.revision}")
    found = {
        "sqlite": set(find_files(deployment.data)),
        "postgresql": find_schemas(deployment.postgres),
    }
    for kind in KINDS:
        known = {site.id for site in sites if site.placement == kind}
        if found[kind] != known:
            history.complain(f"there are {kind} databases of {found[kind] ^ known}")
