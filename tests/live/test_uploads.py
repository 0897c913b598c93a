"""R14: a chunked body arrives whole, or the app is not asked at all."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from tests.live.wire import connect, pieces, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import NewOddServer
    from tests.live.odd import OddServer

LIMIT_MB = 8
SIZES = {
    "300-kB": (300_000, (1, 7, 4096, 65_537)),
    "tiny-chunks": (20_000, (1, 2, 3)),
    "8-kB-chunks": (3_000_000, (8192,)),
    "odd-chunks": (5_000_001, (100_003, 1, 1_000_001, 17)),
    "large-chunks": (7_500_000, (2_000_000,)),
}


@pytest.fixture(scope="module")
def uploads(new_module_odd_server: NewOddServer) -> Iterator[OddServer]:
    """Return a server that takes up to 8 MiB."""
    with new_module_odd_server("acme", TENANTRY_LIMIT_BODY_MB=str(LIMIT_MB)) as running:
        yield running


def receipt(body: bytes) -> str:
    """Return what the upload view tells of a body that has arrived whole."""
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}"


@pytest.mark.parametrize(("length", "sizes"), SIZES.values(), ids=SIZES)
def test_chunked_bodies_arrive_whole(
    uploads: OddServer, length: int, sizes: tuple[int, ...]
) -> None:
    """Whatever the chunks, the app reads every byte, with a length."""
    body = random.Random(length).randbytes(length)
    answer = uploads.site("acme", "/upload", method="POST", body=pieces(body, sizes))
    assert (answer.status, answer.text) == (200, receipt(body))


def test_bodies_with_a_length_arrive_whole(uploads: OddServer) -> None:
    """So do bodies that say how long they are."""
    body = random.Random(1).randbytes(6_000_000)
    answer = uploads.site("acme", "/upload", method="POST", body=body)
    assert (answer.status, answer.text) == (200, receipt(body))


def test_an_empty_chunked_body_is_empty(uploads: OddServer) -> None:
    """No chunk but the last one is a body of no bytes, not an error."""
    answer = uploads.site("acme", "/upload", method="POST", body=iter(()))
    assert (answer.status, answer.text) == (200, receipt(b""))


HEAD = b"POST /upload HTTP/1.1\r\nHost: acme.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"5\r\nhel", id="inside-a-chunk"),
        pytest.param(b"5\r\nhello\r\n", id="before-the-last"),
        pytest.param(b"5\r\nhello", id="before-the-line-end"),
        pytest.param(b"5", id="inside-the-size"),
        pytest.param(b"-5\r\nhello\r\n0\r\n\r\n", id="negative"),
        pytest.param(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", id="huge"),
        pytest.param(b" 5\r\nhello\r\n0\r\n\r\n", id="space"),
    ],
)
def test_broken_chunks_never_reach_the_app(uploads: OddServer, body: bytes) -> None:
    """A body that is cut off or malformed is 400, and no handler runs with half of it."""
    handled = len(uploads.noted("handled"))
    with connect(uploads.port) as peer:
        peer.sendall(HEAD + body)
        peer.shutdown(1)
        response = b""
        while part := peer.recv(65536):
            response += part
    assert status_of(response) == 400
    assert len(uploads.noted("handled")) == handled


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"zz\r\nhello\r\n0\r\n\r\n", id="no-number"),
        pytest.param(b"5\r\nhello\r\nzz\r\n", id="no-number-later"),
        pytest.param(b"5\r\nhelloXX0\r\n\r\n", id="no-line-end"),
        pytest.param(b"0x5\r\nhello\r\n0\r\n\r\n", id="prefixed"),
        pytest.param(
            b"5\r\nhello\r\n0\r\n\r\nGET /site HTTP/1.1\r\nHost: globex.localhost\r\n\r\n",
            id="another-request",
        ),
    ],
)
def test_what_follows_odd_chunks_is_no_second_request(uploads: OddServer, body: bytes) -> None:
    """UWSGI takes an unreadable size for the last one; nothing after it is ever a request.

    A proxy refuses such bodies before they come here: see test_edges.py.
    """
    with connect(uploads.port) as peer:
        peer.sendall(HEAD + body)
        peer.shutdown(1)
        response = b""
        try:
            while part := peer.recv(65536):
                response += part
        except ConnectionError:
            pass
    assert status_of(response) in {0, 200, 400}
    assert response.count(b"HTTP/1.") <= 1
    assert b"X-Site: globex" not in response


def test_a_chunked_body_over_the_limit_is_refused(uploads: OddServer) -> None:
    """The limit counts what arrives, not what is announced: 413, and no handler runs."""
    handled = len(uploads.noted("handled"))
    with connect(uploads.port) as peer:
        peer.sendall(HEAD)
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        try:
            for _ in range(LIMIT_MB + 1):
                peer.sendall(chunk)
            peer.sendall(b"0\r\n\r\n")
        except ConnectionError:
            pass  # it has seen enough
        response = peer.recv(65536)
    assert status_of(response) == 413
    assert len(uploads.noted("handled")) == handled


def test_an_announced_body_over_the_limit_is_refused(uploads: OddServer) -> None:
    """What says that it is too long is refused before it is sent."""
    with connect(uploads.port) as peer:
        length = LIMIT_MB * 1024 * 1024 + 1
        head = f"POST /upload HTTP/1.1\r\nHost: acme.localhost\r\nContent-Length: {length}\r\n\r\n"
        peer.sendall(head.encode())
        assert status_of(peer.recv(65536)) == 413
