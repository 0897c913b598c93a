"""Law 5: a streaming response keeps its instance to the last byte, and not a moment longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.live.load import together
from tests.live.server import until
from tests.live.wire import connect, header_of

if TYPE_CHECKING:
    import socket

    from tests.live.odd import OddServer

from tenantry.catalog import SYSTEM


def begin(server: OddServer, path: str) -> tuple[socket.socket, str, bytes]:
    """Send a request, read the start of the answer; return connection, instance and content."""
    peer = connect(server.port)
    peer.sendall(f"GET {path} HTTP/1.1\r\nHost: initech.localhost\r\n\r\n".encode())
    received = b""
    while not received.partition(b"\r\n\r\n")[2]:
        received += peer.recv(65536)
    return peer, header_of(received, "X-Instance"), received.partition(b"\r\n\r\n")[2]


def replace(server: OddServer, instance: str) -> None:
    """Change the tenant until the worker that holds *instance* has built another one."""
    revision = server.catalog.tenants.get("initech").revision
    tenant_id = server.catalog.tenants.get("initech").id
    server.catalog.tenants.configure(tenant_id, name=f"Initech {revision}", by=SYSTEM)
    process = instance.split("-")[2]
    newer = f"initech-{revision + 1}-{process}-"

    def built() -> bool:
        together(lambda _: server.site("initech"), 4)
        return any(name.startswith(newer) for name in server.noted("built"))

    until(built, why="the worker builds the new revision")


def test_an_instance_is_kept_to_the_last_byte(odd_server: OddServer) -> None:
    """A retired instance is disposed of after its last response has gone out, not before."""
    peer, instance, content = begin(odd_server, "/drip?gate=last-byte")
    with peer:
        assert content == b"first,"
        replace(odd_server, instance)
        assert instance not in odd_server.noted("disposed")
        odd_server.open("last-byte")
        while part := peer.recv(65536):
            content += part
    assert content == b"first,second,last"
    until(lambda: instance in odd_server.noted("disposed"), why="it is disposed of")


def test_a_visitor_who_leaves_gives_the_instance_back(odd_server: OddServer) -> None:
    """However often visitors hang up in the middle, no lease is left behind."""
    instances = set()
    ended = len(odd_server.noted("flood-ended"))
    for _ in range(12):
        peer, instance, _ = begin(odd_server, "/flood")
        instances.add(instance)
        peer.close()
    until(lambda: len(odd_server.noted("flood-ended")) == ended + 12, why="the bodies are closed")
    for instance in instances:
        replace(odd_server, instance)
        until(lambda instance=instance: instance in odd_server.noted("disposed"))  # type: ignore[misc]


def test_a_visitor_who_leaves_before_the_answer_gives_it_back(odd_server: OddServer) -> None:
    """So does one who hangs up while the app still works on the answer."""
    waiting = len(odd_server.noted("waiting"))
    peers = [connect(odd_server.port) for _ in range(2)]
    for peer in peers:
        peer.sendall(b"GET /wait?gate=left HTTP/1.1\r\nHost: initech.localhost\r\n\r\n")
    until(lambda: len(odd_server.noted("waiting")) == waiting + 2)
    for peer in peers:
        peer.close()
    odd_server.open("left")
    held = {name for name in odd_server.noted("built") if name.startswith("initech-")}
    held -= set(odd_server.noted("disposed"))
    assert held
    for instance in held:
        replace(odd_server, instance)
        until(lambda instance=instance: instance in odd_server.noted("disposed"))  # type: ignore[misc]


def test_a_head_request_gives_the_instance_back(odd_server: OddServer) -> None:
    """HEAD has no body to send, and ends its lease all the same."""
    answer = odd_server.site("initech", "/site", method="HEAD")
    instance = answer.get("X-Instance")
    replace(odd_server, instance)
    until(lambda: instance in odd_server.noted("disposed"))
