"""A control command is obeyed by every node when it returns; nodes tell how they are."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

from tests.live.server import free_port, until
from tests.live.wire import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fleet.node import Node

    NewNode = Callable[..., Node]

CUT_LISTENERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
)
HANG_UP = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname LIKE 'fleet%'"
LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query LIKE 'LISTEN%%'"
LEASE = 10.0


def execute(url: str, statement: str) -> None:
    """Run a statement on the catalog's server, as nobody but a test does."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement.encode())


def count_listeners(url: str) -> int:
    """Return how many connections listen for what is new in the catalog."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        row = connection.execute(LISTENERS, (make_url(url).database,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def pair(make_node: NewNode, server_url: str, tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """Return two nodes that serve the same tenant, acme; the second closes its sites if cut off."""
    variables = {
        "TENANTRY_DATABASES": json.dumps({"main": server_url}),
        "TENANTRY_FILES_DIR": str(tmp_path / "shared"),
    }
    one = make_node("one", **variables)
    two = make_node(
        "two",
        **variables,
        TENANTRY_WITHOUT_CATALOG="close",
        TENANTRY_INTERNAL_LISTEN=f"127.0.0.1:{free_port()}",
    )
    for node in (one, two):
        node.run("init", "--no-link")
    one.run("tenant", "create", "acme", "--name", "Acme")
    with one, two:
        yield one, two


def ready(node: Node) -> int:
    """Return the status of ``/-/ready``."""
    port = node.settings.internal_address
    assert port is not None
    return ask(port[1], "localhost", "/-/ready").status


def test_nobody_gets_one_more_page_of_any_node(pair: tuple[Node, Node], catalog_url: str) -> None:
    """When `suspend` returns on one node, the other one's next request is refused, LISTEN or not."""
    one, two = pair
    for round_ in range(4):
        assert two.site("acme").status == 200
        if round_ % 2:
            execute(catalog_url, CUT_LISTENERS)
        one.run("tenant", "suspend", "acme")
        assert two.site("acme").status == 403
        assert one.site("acme").status == 403
        one.run("tenant", "resume", "acme")
        assert two.site("acme").status == 200


def test_one_connection_of_a_node_listens(make_node: NewNode, catalog_url: str) -> None:
    """It serves the server and the job worker. If its worker is killed, another one listens."""
    node = make_node("one")
    node.run("init", "--no-link")
    with node:
        until(lambda: count_listeners(catalog_url) == 1)
        killed = node.workers()
        for process in killed:
            os.kill(process, signal.SIGKILL)
        until(lambda: node.workers() - killed)
        until(lambda: count_listeners(catalog_url) == 1)
    until(lambda: count_listeners(catalog_url) == 0)


def test_a_node_is_drained_and_comes_back(pair: tuple[Node, Node]) -> None:
    """A drained node serves those who still come, and tells the balancer to send nobody."""
    one, two = pair
    until(lambda: ready(two) == 200)
    own = (two.data / "node_id").read_text()[:8]
    assert "would be drained" in one.run("fleet", "drain", own, "--dry-run")
    one.run("fleet", "drain", own)
    until(lambda: ready(two) == 503, seconds=5)
    assert two.site("acme").status == 200
    states = {row["id"][:8]: row for row in json.loads(one.run("fleet", "status", "--json"))}
    assert (states[own]["drained"], states[own]["here"]) == (True, False)
    assert "drained" in one.run("fleet", "status")
    two.run("fleet", "undrain")
    until(lambda: ready(two) == 200, seconds=5)
    assert "'nobody' names no nodes" in one.refused("fleet", "drain", "nobody")


def test_a_node_that_is_cut_off_closes_when_others_stop_waiting(
    pair: tuple[Node, Node], catalog_url: str
) -> None:
    """After ten seconds without the catalog it is not ready, and by its setting serves no site."""
    one, two = pair
    until(lambda: ready(two) == 200)
    assert one.site("acme").status == two.site("acme").status == 200  # both know it now
    name = make_url(catalog_url).database
    plain = make_url(catalog_url).set(database="postgres").render_as_string(hide_password=False)
    execute(plain, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    execute(plain, HANG_UP)
    begun = time.monotonic()
    assert one.site("acme").status == 200  # its setting lets it serve on
    until(lambda: two.site("acme").status == 503, seconds=LEASE + 5)
    assert time.monotonic() - begun > LEASE - 3
    assert ready(two) == 503
    assert one.site("acme").status == 200
    execute(plain, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    until(lambda: two.site("acme").status == 200, seconds=10)
    until(lambda: ready(two) == 200, seconds=10)


def test_a_dead_node_holds_a_command_up_for_its_lease_only(pair: tuple[Node, Node]) -> None:
    """What nobody can reach any more is not waited for longer than ten seconds."""
    one, two = pair
    two.end()
    begun = time.monotonic()
    one.run("tenant", "suspend", "acme")
    assert time.monotonic() - begun < LEASE + 10
    assert one.site("acme").status == 403
