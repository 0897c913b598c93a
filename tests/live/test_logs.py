"""What the server writes down, and what it never shows."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.live.server import until
from tests.live.wire import exchange, status_of

if TYPE_CHECKING:
    from tests.live.odd import OddServer

HOSTILE = {
    "quotes": b'User-Agent: evil"ua\\\r\nReferer: a"b\r\n',
    "json": b'User-Agent: x","status":999,"tenant":"\r\nX-Request-ID: x"},{"y":"\r\n',
    "escape": b"User-Agent: \x1b[31mred\x1b[0m\x1b]0;title\x07\r\n",
    "no-utf-8": b"User-Agent: \xff\xfe\xc0\xaf\r\n",
    "utf-8": "User-Agent: ☃ \u2028 \u202e\r\n".encode(),
    "bare-cr": b"User-Agent: a\rb\r\n",
    "tab": b"User-Agent: a\tb\x7f\r\n",
    "long": b"User-Agent: " + b"a" * 20_000 + b"\r\n",
    "format": b"User-Agent: %s %(uri)s %n {0} ${jndi:ldap://x}\r\n",
    "id-twice": b"X-Request-ID: aaaaaaaaaa\r\nX-Request-ID: bbbbbbbbbb\r\n",
    "id-long": b"X-Request-ID: " + b"a" * 5000 + b"\r\n",
}


@pytest.mark.parametrize("headers", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("host", [b"acme.localhost", b'evil"\\\xff.test'], ids=["known", "bad"])
def test_hostile_headers_forge_no_log_line(
    odd_server: OddServer, headers: bytes, host: bytes
) -> None:
    """R56: each request is one line, each line is one JSON object, and its status is the real one."""
    before = len(odd_server.access_lines())
    path = b"/site%22%7d%0a" if host.startswith(b"evil") else b"/site"
    head = b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + headers + b"\r\n"
    status = status_of(exchange(odd_server.port, head))
    if status == 0:
        assert len(odd_server.access_lines()) == before
        return
    until(lambda: len(odd_server.access_lines()) > before)
    (line,) = odd_server.access_lines()[before:]
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["status"] == status


def test_every_line_so_far_is_an_object(odd_server: OddServer) -> None:
    """The whole access log, and what the application logs beside it, can be read by a machine."""
    for line in odd_server.access_lines():
        assert isinstance(json.loads(line), dict)
    for line in odd_server.log().splitlines():
        if line.startswith("{"):
            json.loads(line)


def test_the_stats_socket_shows_no_cookies(odd_server: OddServer) -> None:
    """UWSGI 11.6: whoever may read the figures does not read visitors' sessions."""
    answers: list[int] = []
    gate = "/wait?gate=stats"
    waiting = len(odd_server.noted("waiting"))
    headers = {"Cookie": "session=a-visitors-secret", "Authorization": "Bearer another-secret"}

    def visit() -> None:
        answers.append(odd_server.site("acme", gate, headers=headers).status)

    visitor = threading.Thread(target=visit, daemon=True)
    visitor.start()
    until(lambda: len(odd_server.noted("waiting")) > waiting)
    try:
        told = odd_server.stats()
        assert b"workers" in told
        assert b"secret" not in told
        assert b"acme.localhost" not in told
    finally:
        odd_server.open("stats")
        visitor.join(30)
    assert answers == [200]


def test_the_stats_socket_is_the_owners(odd_server: OddServer) -> None:
    """The sockets lie in a folder that nobody else may enter."""
    run = odd_server.data / "run"
    assert run.stat().st_mode & 0o077 == 0
