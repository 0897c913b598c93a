"""Fairness: who asks too often is told to wait, whichever worker hears it, and nobody else is."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.server import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import NewOddServer
    from tests.live.odd import OddServer
    from tests.live.wire import Answer

RATE = 20
BURST = 5 * RATE
THREADS = 4
SECONDS = 3.0
VISITOR = "127.0.0.2"
"""Somebody else than the flooder, who comes from 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class Flood:
    """What came of asking as fast as possible."""

    answers: list[Answer]
    seconds: float

    def with_status(self, status: int) -> list[Answer]:
        """Return the answers with this status."""
        return [answer for answer in self.answers if answer.status == status]


@pytest.fixture(scope="module")
def server(new_module_odd_server: NewOddServer) -> Iterator[OddServer]:
    """Return two workers that let a client ask so often."""
    with new_module_odd_server(TENANTRY_LIMIT_CLIENT_REQUESTS=str(RATE)) as running:
        yield running


def flood(server: OddServer, slug: str) -> Flood:
    """Ask for a site's front page from several threads for a while."""
    started = time.monotonic()

    def run(_: int) -> list[Answer]:
        answers = []
        while time.monotonic() - started < SECONDS:
            answers.append(server.site(slug))
        return answers

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [answer for part in threads.map(run, range(THREADS)) for answer in part]
    return Flood(answers, time.monotonic() - started)


def refused(server: OddServer, **options: Any) -> Answer:
    """Ask until there is nothing left, and return the answer that says so."""
    for _ in range(100 * BURST):
        answer = server.site("acme", **options)
        if answer.status == 429:
            return answer
    raise AssertionError("there is no end to it")


def test_workers_together_let_a_client_ask_so_often(server: OddServer) -> None:
    """A burst and the rate, once and not once per worker; everyone else is served meanwhile."""
    met: list[int] = []
    over = threading.Event()

    def visit() -> None:
        while not over.wait(0.1):
            met.append(server.site("acme", source=VISITOR).status)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        seen = flood(server, "acme")
    finally:
        over.set()
        visitor.join()
    served = seen.with_status(200)
    allowed = BURST + RATE * seen.seconds

    assert 0.8 * allowed <= len(served) <= 1.1 * allowed
    assert len({answer.worker for answer in served}) == 2
    assert len(seen.with_status(429)) == len(seen.answers) - len(served)
    assert len(met) > 10
    assert set(met) == {200}


def test_a_flood_is_one_line_in_the_log(server: OddServer) -> None:
    """Both workers know that one of them has told it."""
    line = f"client '127.0.0.1' asks more than {RATE} times a second"
    refused(server)
    told = server.log().count(line)
    assert told >= 1
    answers = [server.site("acme") for _ in range(BURST)]
    assert len({answer.worker for answer in answers if answer.status == 429}) == 2
    # Ten seconds may just have been over.
    assert server.log().count(line) <= told + 1


def test_who_waits_as_told_is_served(server: OddServer) -> None:
    """Retry-After is the truth."""
    answer = refused(server)
    assert answer.get("Retry-After") == "1"
    asked_at = time.monotonic()
    until(lambda: server.site("acme").status == 200)
    assert time.monotonic() - asked_at < 1.5


def test_programs_and_forms_are_answered(server: OddServer) -> None:
    """The refusal arrives as what the client understands, whatever it was sending."""
    problem = refused(server, headers={"Accept": "application/json"})
    assert problem.get("Content-Type") == "application/problem+json"
    assert json.loads(problem.body)["status"] == 429
    head = refused(server, method="HEAD")
    assert head.body == b""
    assert int(head.get("Content-Length")) > 1000
    assert "Too many requests" in refused(server, method="POST", body=b"title=hello").text
    assert "Too many requests" in refused(server, method="POST", body=b"x" * 20_000).text


def test_pages_keep_their_style(server: OddServer) -> None:
    """Assets are not counted: the page that asks for patience is not naked."""
    page = refused(server).text
    style = page.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
    assert {server.site("acme", style).status for _ in range(2 * RATE)} == {200}


def test_a_flooded_tenant_is_limited_and_its_neighbour_is_not(
    new_odd_server: NewOddServer,
) -> None:
    """Law 4: a tenant has its rate in all workers together, by its plan, from whomever it comes."""
    limits = {"TENANTRY_LIMIT_PLANS": json.dumps({"free": {"requests": RATE}})}
    with new_odd_server(**limits) as server:
        seen = flood(server, "acme")
        neighbour = [server.site("globex").status for _ in range(BURST // 2)]
        last = refused(server)
    served = seen.with_status(200)
    allowed = BURST + RATE * seen.seconds

    assert 0.8 * allowed <= len(served) <= 1.1 * allowed
    assert len({answer.worker for answer in served}) == 2
    assert len(seen.with_status(429)) == len(seen.answers) - len(served)
    assert set(neighbour) == {200}
    assert int(last.get("Retry-After")) >= 1
