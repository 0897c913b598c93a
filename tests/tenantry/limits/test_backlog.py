"""Whether somebody stands at the door, on real listening sockets."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tenantry.limits.backlog import Listeners
from tests.conftest import eventually
from tests.tenantry.support import at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Listen = Callable[[], socket.socket]


@pytest.fixture(params=["tcp", "unix"])
def listen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listen]:
    """Return a function that opens a listening socket, of each kind in turn."""
    opened: list[socket.socket] = []

    def open_one() -> socket.socket:
        if request.param == "tcp":
            server = socket.create_server(("127.0.0.1", 0))
        else:
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            server.bind(str(tmp_path / f"{len(opened)}.sock"))
            server.listen()
        opened.append(server)
        return server

    yield open_one
    for server in opened:
        server.close()


@pytest.fixture
def watch() -> Iterator[Callable[..., Listeners]]:
    """Return a function that watches sockets, until the end of the test."""
    made: list[Listeners] = []

    def make(*servers: socket.socket) -> Listeners:
        made.append(Listeners(lambda: [server.fileno() for server in servers]))
        return made[-1]

    yield make
    for listeners in made:
        listeners.close()


def knock(server: socket.socket) -> socket.socket:
    client = socket.socket(server.family, socket.SOCK_STREAM)
    client.connect(server.getsockname())
    return client


def test_a_connection_waits_until_it_is_accepted(
    listen: Listen, watch: Callable[..., Listeners]
) -> None:
    """Nobody, then somebody, then nobody again; and looking takes nobody in."""
    server = listen()
    listeners = watch(server)
    assert not listeners.has_backlog()
    with knock(server) as client:
        eventually(listeners.has_backlog)
        assert [listeners.has_backlog() for _ in range(10)] == [True] * 10
        accepted, _ = server.accept()
        with accepted:
            assert not listeners.has_backlog()
            accepted.sendall(b"hello")
            assert client.recv(5) == b"hello"


def test_several_at_once_are_somebody_until_the_last(
    listen: Listen, watch: Callable[..., Listeners]
) -> None:
    """The queue's length does not matter, only whether there is one."""
    server = listen()
    listeners = watch(server)
    clients = [knock(server) for _ in range(3)]
    for _ in range(3):
        eventually(listeners.has_backlog)
        server.accept()[0].close()
    assert not listeners.has_backlog()
    for client in clients:
        client.close()


def test_any_of_several_sockets_counts(listen: Listen, watch: Callable[..., Listeners]) -> None:
    """A server may listen on a port for the proxy and on a socket for its own machine."""
    servers = [listen() for _ in range(3)]
    listeners = watch(*servers)
    for server in servers:
        assert not listeners.has_backlog()
        with knock(server):
            eventually(listeners.has_backlog)
            server.accept()[0].close()


def test_data_on_an_accepted_connection_is_nobody_new(
    listen: Listen, watch: Callable[..., Listeners]
) -> None:
    """Who has been let in does not stand at the door, whatever they send."""
    server = listen()
    listeners = watch(server)
    with knock(server) as client, server.accept()[0]:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert not listeners.has_backlog()


def test_without_sockets_nobody_waits(watch: Callable[..., Listeners]) -> None:
    """Another server than ours, or the command line, has no sockets to look at."""
    assert not watch().has_backlog()


def test_after_the_end_nobody_waits(listen: Listen) -> None:
    """A request that is still under way when the process stops is answered as ever."""
    server = listen()
    listeners = Listeners(lambda: [server.fileno()])
    with knock(server):
        eventually(listeners.has_backlog)
        listeners.close()
        assert not listeners.has_backlog()


def test_many_threads_may_look_at_once(listen: Listen, watch: Callable[..., Listeners]) -> None:
    """Every thread sees the same one that waits, and none of them takes it from the others."""
    server = listen()
    listeners = watch(server)
    with knock(server):
        eventually(listeners.has_backlog)
        results = at_once(16, lambda _: [listeners.has_backlog() for _ in range(200)])
        assert results == [[True] * 200] * 16
        server.accept()[0].close()
    results = at_once(16, lambda _: any(listeners.has_backlog() for _ in range(200)))

    assert results == [False] * 16


def test_an_idle_thread_lets_everybody_in(listen: Listen, watch: Callable[..., Listeners]) -> None:
    """While somebody accepts, a crowd is gone in a moment; that is what the second look is for."""
    server = listen()
    listeners = watch(server)
    done = threading.Event()

    def accept() -> None:
        for _ in range(20):
            server.accept()[0].close()
        done.set()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    for _ in range(20):
        knock(server).close()
    assert done.wait(10)
    thread.join()
    eventually(lambda: not listeners.has_backlog())


def test_a_connection_is_no_backlog_while_a_thread_is_idle(listen: Listen) -> None:
    """A thread that is not in a request is about to accept it, however long that takes."""
    server = listen()
    listeners = Listeners(lambda: [server.fileno()], threads=2)
    with knock(server):
        eventually(listeners.has_queued)
        listeners.busy.add(1)
        assert not listeners.has_backlog()
        listeners.busy.add(2)
        assert listeners.has_backlog()
        listeners.busy.discard(1)
        assert not listeners.has_backlog()
    listeners.close()
