"""Clients that send byte after byte, for ever: they cost themselves something, and no neighbour."""

from __future__ import annotations

import tempfile
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.edge import DOMAIN, PROGRAMS, Edge, need
from tests.live.odd import OddServer
from tests.live.server import until
from tests.live.wire import connect, status_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from tests.live.conftest import NewOddServer

CONNECTIONS = 12
FIRST = 20_000
"""Bytes that come at once: more than HAProxy keeps back."""
DRIP_SECONDS = 1.0
VISITOR = "127.0.0.2"
"""Somebody else than the slow client, who comes from 127.0.0.1."""

KINDS = {
    "length": (b"Content-Length: 400000\r\n", b"x" * FIRST, b"x"),
    "chunked": (b"Transfer-Encoding: chunked\r\n", b"%x\r\n" % FIRST + b"x" * FIRST, b"\r"),
    "chunk by chunk": (
        b"Transfer-Encoding: chunked\r\n",
        b"%x\r\n" % FIRST + b"x" * FIRST + b"\r\n",
        b"1\r\nx\r\n",
    ),
}


class Drips:
    """Connections that go on sending a byte now and then until they are closed."""

    def __init__(
        self, open_one: Callable[[], socket.socket], host: str, kind: tuple[bytes, bytes, bytes]
    ) -> None:
        header, first, self._drop = kind
        self._over = threading.Event()
        self.answers: list[bytes] = []
        self._peers = [open_one() for _ in range(CONNECTIONS)]
        for peer in self._peers:
            peer.settimeout(DRIP_SECONDS)
            head = b"POST /upload HTTP/1.1\r\nHost: " + host.encode() + b"\r\n" + header
            with suppress(OSError):
                peer.sendall(head + b"\r\n" + first)
        self._threads = [threading.Thread(target=self._drip, args=(peer,)) for peer in self._peers]
        for thread in self._threads:
            thread.start()

    def _drip(self, peer: socket.socket) -> None:
        """Send a byte, look for an answer for a while, and so on."""
        with suppress(OSError):
            while not self._over.is_set():
                peer.sendall(self._drop)
                try:
                    self.answers.append(peer.recv(65536))
                except TimeoutError:
                    continue
                return
        self.answers.append(b"")

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for peer in self._peers:
            peer.close()


@pytest.fixture(scope="module")
def server(new_module_odd_server: NewOddServer) -> Iterator[OddServer]:
    """Return two workers of four threads, as shipped."""
    with new_module_odd_server() as running:
        yield running


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_slow_bodies_at_the_servers_own_socket(
    server: OddServer, kind: tuple[bytes, bytes, bytes]
) -> None:
    """Twelve of them leave threads for everybody else, and are cut off one and all."""
    drips = Drips(lambda: connect(server.port), "acme.localhost", kind)
    try:
        for _ in range(20):
            assert server.site("globex", source=VISITOR).status == 200
            assert server.site("globex").status == 200
            form = server.site("globex", "/upload", method="POST", body=b"a=b", source=VISITOR)
            assert form.status == 200
        until(lambda: len(drips.answers) == CONNECTIONS, why="all of them are answered")
    finally:
        drips.close()
    statuses = {status_of(answer) for answer in drips.answers if answer}
    assert statuses <= {503, 408, 400}
    assert 503 in statuses


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_slow_bodies_behind_each_shipped_proxy(
    name: str, kind: tuple[bytes, bytes, bytes], folder: Path
) -> None:
    """Whatever the proxy keeps back of them, a neighbour is served meanwhile."""
    need(PROGRAMS[name])
    base = Path(tempfile.mkdtemp(prefix="slow-", dir=folder))
    env = {"TENANTRY_DOMAIN": DOMAIN}
    if name == "nginx.conf":
        env["TENANTRY_SOCKET"] = str(base / "app.sock")
    else:
        env["TENANTRY_TRUSTED_PROXIES"] = "1"
    with ExitStack() as stack:
        server = stack.enter_context(OddServer.prepare(base / "o", ("acme", "globex"), env=env))
        upstream = env.get("TENANTRY_SOCKET", server.port)
        edge = stack.enter_context(Edge(name, base, upstream=upstream))
        drips = Drips(lambda: edge.tls(f"acme.{DOMAIN}"), f"acme.{DOMAIN}", kind)
        stack.callback(drips.close)
        for _ in range(20):
            assert edge.ask(f"globex.{DOMAIN}", "/site").status == 200
