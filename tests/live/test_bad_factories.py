"""A tenant whose factory raises, hangs or dawdles is alone with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tenantry.worker.server import LISTEN
from tests.live.load import Load
from tests.live.server import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import NewOddServer
    from tests.live.odd import OddServer
    from tests.live.wire import Answer

CLIENTS = 16
JSON = {"Accept": "application/problem+json"}


@pytest.fixture(scope="module")
def mixed(new_module_odd_server: NewOddServer) -> Iterator[OddServer]:
    """Return a server with good and bad tenants."""
    with new_module_odd_server("acme", "globex", "raises", "hangs", "slow") as running:
        yield running
        running.open("let-go")


def test_connections_have_a_queue(mixed: OddServer) -> None:
    """Without places in it the kernel drops connections, which come again after many seconds."""
    sockets = json.loads(mixed.stats())["sockets"]
    assert {listener["max_queue"] for listener in sockets} == {LISTEN}


def assert_excused(answer: Answer) -> str:
    """Check a 503 of the front door and return its error id."""
    assert answer.status == 503
    assert int(answer.get("Retry-After")) >= 1
    error_id = json.loads(answer.body).get("error_id", "")
    assert isinstance(error_id, str)
    return error_id


def test_a_raising_factory_is_excused_and_logged(mixed: OddServer) -> None:
    """The visitor gets 503, Retry-After and an error id; the log has the traceback under that id."""
    error_id = assert_excused(mixed.site("raises", headers=JSON))
    assert error_id
    until(lambda: error_id in mixed.log(), why="the failure is logged")
    (line,) = (
        line for line in mixed.log().splitlines() if error_id in line and "exception" in line
    )
    logged = json.loads(line)
    assert logged["level"] == "error"
    assert "ValueError: the factory of this tenant always raises" in logged["exception"]
    assert mixed.catalog.tenants.get("raises").id in logged["event"]
    # The visitor learns nothing of the cause.
    page = mixed.site("raises", headers={"Accept": "text/html"})
    assert page.status == 503
    assert "ValueError" not in page.text
    assert "Traceback" not in page.text


@pytest.mark.parametrize("path", ["/fail", "/fail?late=1"])
def test_an_app_that_raises_is_answered_in_full(mixed: OddServer, path: str) -> None:
    """The visitor gets a whole page with an error id, even if the app's own response had begun."""
    answer = mixed.site("acme", path, headers=JSON)
    assert answer.status == 500
    assert len(answer.headers.get_all("Content-Type", [])) == 1
    error_id = json.loads(answer.body)["error_id"]
    until(lambda: f"raised, error {error_id}" in mixed.log(), why="the failure is logged")
    assert "Something went wrong" in mixed.site("acme", path).text
    assert mixed.log().count('"a request failed') == 0


def test_a_raising_factory_is_not_tried_by_each_request(mixed: OddServer) -> None:
    """Law 3: a failing factory backs off instead of running once per request."""
    with Load(lambda: mixed.site("raises"), threads=4) as load:
        until(lambda: load.count > 200)
    assert load.statuses == {503}
    tries = mixed.log().count('"building raises') + mixed.log().count("building raises (")
    assert tries < 20


def test_neighbours_of_a_hanging_tenant_are_served(mixed: OddServer) -> None:
    """Law 4, R55: however many knock at a tenant that hangs, the others get their answers."""
    with Load(lambda: mixed.site("hangs", headers=JSON), threads=CLIENTS) as knocking:
        until(lambda: len(mixed.noted("hanging")) == 2, why="it hangs in both workers")
        for _ in range(40):
            assert mixed.site("acme").status == 200
            assert mixed.site("globex").status == 200
        until(lambda: knocking.count > CLIENTS)
        assert mixed.site("acme").status == 200
    assert knocking.failures == []
    assert knocking.statuses == {503}
    for answer in knocking.answers:
        assert_excused(answer)
    # It was started once in each worker and not again while it hung.
    assert len(mixed.noted("hanging")) == 2

    mixed.open("let-go")
    until(lambda: mixed.site("hangs").status == 200, why="it recovers by itself")


def test_a_slow_tenant_is_served_when_it_is_ready(mixed: OddServer) -> None:
    """A build of five seconds costs its own first visitors a 503, and is used when it is there."""
    first = mixed.site("slow", headers=JSON)
    error_id = assert_excused(first)
    assert error_id
    assert error_id in mixed.log()
    assert mixed.site("acme").status == 200
    until(lambda: mixed.site("slow").status == 200, why="the slow site is built")
    # One build in each worker at most, whatever came meanwhile.
    assert len(mixed.noted("slow-started")) <= 2
