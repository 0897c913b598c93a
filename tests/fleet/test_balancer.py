"""The shipped HAProxy and nginx files in front of two nodes."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fleet.balancer import Balancer
from tests.live.edge import DOMAIN
from tests.live.server import free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fleet.node import Node

ACME = f"acme.{DOMAIN}"
VISITS = 6


@pytest.fixture
def nodes(
    make_node: Callable[..., Node], server_url: str, tmp_path: Path
) -> Iterator[tuple[Node, Node]]:
    """Return two nodes that serve the same tenant over their nginx."""
    one, two = (
        make_node(
            name,
            TENANTRY_DATABASES=json.dumps({"main": server_url}),
            TENANTRY_FILES_DIR=str(tmp_path / "shared"),
            TENANTRY_DOMAIN=DOMAIN,
            TENANTRY_SOCKET=str(tmp_path / f"{name}.sock"),
            TENANTRY_INTERNAL_LISTEN=f"127.0.0.1:{free_port()}",
        )
        for name in ("one", "two")
    )
    for node in (one, two):
        node.run("init", "--no-link")
    one.run("tenant", "create", "acme", "--name", "Acme")
    with one, two:
        yield one, two


def count(node: Node) -> int:
    """Return how many visits of the site's front page a node has logged."""
    lines = (json.loads(line) for line in node.access_lines())
    return sum(line.get("host") == ACME and line.get("path") == "/" for line in lines)


def ready(balancer: Balancer, number: int) -> int:
    """Return what a node tells the balancer's check."""
    return balancer.ask_node(number, "/-/ready", certificate="balancer", check=True)


def test_a_host_keeps_its_node_until_that_is_drained_or_dies(
    nodes: tuple[Node, Node], tmp_path: Path
) -> None:
    """No visitor notices either, and nobody but the balancer gets an answer of a node."""
    with Balancer(tmp_path, nodes) as balancer:
        until(
            lambda: (
                {
                    balancer.ask_node(n, "/-/ready", certificate="balancer", check=True)
                    for n in (0, 1)
                }
                == {200}
            )
        )
        assert {balancer.ask(ACME).status for _ in range(VISITS)} == {200}
        own, other = sorted(nodes, key=count, reverse=True)
        assert (count(own), count(other)) == (VISITS, 0)

        assert balancer.ask_node(0, "/") == 400  # without any certificate
        assert balancer.ask_node(0, "/", certificate="node2") == 403
        assert balancer.ask_node(0, "/-/ready", certificate="node2", check=True) == 403
        assert b"ready" not in balancer.ask(ACME, "/-/ready").body

        other.run("fleet", "drain", (own.data / "node_id").read_text()[:8])
        until(lambda: balancer.ask(ACME).status == 200 and count(other) > 0)
        before = count(own)
        assert {balancer.ask(ACME).status for _ in range(VISITS)} == {200}
        assert count(own) == before

        own.run("fleet", "undrain")
        until(lambda: balancer.ask(ACME).status == 200 and count(own) > before)
        os.killpg(own.master.pid, signal.SIGKILL)
        assert {balancer.ask(ACME).status for _ in range(VISITS)} == {200}
