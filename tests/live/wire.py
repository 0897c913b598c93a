"""Requests as bytes on a socket: what a browser would never send has to be sendable."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LOOPBACK = "127.0.0.1"
DEADLINE = 30.0
"""Seconds after which a test gives up. Nothing here waits so long when all is well."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def worker(self) -> str:
        """The word at the start of the request's id, which each worker draws for itself."""
        return self.headers["X-Request-ID"].partition("-")[0]

    def get(self, name: str) -> str:
        """Return a header's value, or nothing."""
        return self.headers.get(name, "")


def ask(
    port: int,
    host: str,
    path: str = "/",
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | Iterable[bytes] | None = None,
    timeout: float = DEADLINE,
    source: str = LOOPBACK,
) -> Answer:
    """Send one request on a connection of its own. A *body* of several parts goes out chunked.

    :param source: The client's address; any of 127.0.0.0/8 is this machine.
    """
    connection = HTTPConnection(LOOPBACK, port, timeout=timeout, source_address=(source, 0))
    try:
        chunked = body is not None and not isinstance(body, bytes)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif isinstance(body, bytes):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body, encode_chunked=chunked)
        response = connection.getresponse()
        try:
            return Answer(response.status, response.headers, response.read())
        except HTTPException as error:
            error.add_note(f"{response.status} {method} {path} {response.headers.items()}")
            raise
    finally:
        connection.close()


def connect(port: int, *, timeout: float = DEADLINE) -> socket.socket:
    """Return an open connection."""
    return socket.create_connection((LOOPBACK, port), timeout=timeout)


def exchange(port: int, request: bytes, *, timeout: float = DEADLINE) -> bytes:
    """Send bytes and return all that comes back until the server closes or resets."""
    with connect(port, timeout=timeout) as peer:
        received = bytearray()
        try:
            peer.sendall(request)
            while data := peer.recv(65536):
                received += data
        except ConnectionError:
            pass
        return bytes(received)


def status_of(response: bytes) -> int:
    """Return the status of a raw response; 0 if the server closed without a word."""
    if not response:
        return 0
    version, status, *_ = response.split(None, 2)
    assert version.startswith(b"HTTP/"), response[:80]
    return int(status)


def header_of(response: bytes, name: str) -> str:
    """Return a header of a raw response, or nothing."""
    head = response.partition(b"\r\n\r\n")[0].decode("latin-1")
    for line in head.split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return ""


def pieces(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut *data* into pieces of these sizes, over and over."""
    lengths = list(sizes)
    position = number = 0
    while position < len(data):
        length = lengths[number % len(lengths)]
        yield data[position : position + length]
        position += length
        number += 1
