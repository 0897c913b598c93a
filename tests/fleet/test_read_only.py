"""A catalog that only reads, as a standby that nobody has promoted yet."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from tests.fleet.test_control import HANG_UP, LEASE, execute, ready
from tests.live.server import free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fleet.node import Node


@contextmanager
def read_only(catalog_url: str) -> Iterator[None]:
    """Let the catalog refuse to write; all connections are cut at the begin and the end."""
    name = make_url(catalog_url).database
    server = make_url(catalog_url).set(database="postgres").render_as_string(hide_password=False)
    execute(server, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    execute(server, HANG_UP)
    try:
        yield
    finally:
        execute(server, f"ALTER DATABASE {name} RESET default_transaction_read_only")
        execute(server, HANG_UP)


def test_sites_are_served_and_commands_refused(
    make_node: Callable[..., Node], catalog_url: str
) -> None:
    """A node that cannot write a heartbeat is not ready; when it can again, it goes on by itself."""
    node = make_node("one", TENANTRY_INTERNAL_LISTEN=f"127.0.0.1:{free_port()}")
    node.run("init", "--no-link")
    node.run("tenant", "create", "acme", "--name", "Acme")
    with node:
        until(lambda: ready(node) == 200)
        assert node.site("acme").status == 200
        with read_only(catalog_url):
            for command in (["tenant", "suspend", "acme"], ["backup", "acme"], ["init"]):
                told = node.refused(*command)
                assert "read-only" in told, told
                assert told.count("\n") == 1, told
            until(lambda: ready(node) == 503, seconds=LEASE + 15)
            assert node.site("acme").status == 200
        until(lambda: ready(node) == 200)
        node.run("tenant", "suspend", "acme")
        assert node.site("acme").status == 403
