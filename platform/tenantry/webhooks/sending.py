"""Sends one message: a POST to an address that was checked, within limits, without following redirects.

Only the answer's status line is read, and nothing of it is kept but the number: an answer's text would
show a customer what stands behind an address.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenantry.errors import WebhookFailedError
from tenantry.webhooks.addresses import port_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from tenantry.webhooks.addresses import Outside

SECONDS = 10.0
"""How long a message may take, from the connection to the status line."""
MAX_ANSWER = 16 * 1024
"""Bytes of an answer that are read at most: interim answers may come before the status."""
MOST_ADDRESSES = 2
"""Addresses of a host that are tried."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r\n]")
_INTERIM = 200


def send(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    outside: Outside,
    seconds: float = SECONDS,
    trusted: ssl.SSLContext | None = None,
) -> int:
    """Send a message; return the status of the answer, whichever it is.

    :param seconds: How long it may take.
    :param trusted: Which certificates count; by default those that the system trusts.
    :raises WebhookFailedError: It may not be sent there, or there was no answer.
    """
    parts = urlsplit(url)
    request = _compose(parts, body, headers)
    addresses = outside.resolve(parts)[:MOST_ADDRESSES]
    until = time.monotonic() + seconds
    try:
        with _connect(addresses, parts, until, trusted) as connection:
            connection.settimeout(_left(until))
            connection.sendall(request)
            return _read_status(connection, until)
    except ssl.SSLError as error:
        raise WebhookFailedError(f"TLS failed: {error.reason or 'no reason'}") from error
    except TimeoutError as error:
        raise WebhookFailedError(f"no answer within {seconds:g} seconds") from error
    except OSError as error:
        raise WebhookFailedError(error.strerror or "the connection broke") from error


def _compose(url: SplitResult, body: bytes, headers: Mapping[str, str]) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {url.netloc}",
        "User-Agent: Tenantry-Webhooks/1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


def _connect(
    addresses: list[str], url: SplitResult, until: float, trusted: ssl.SSLContext | None
) -> socket.socket:
    """Connect to the first address that answers; each may use an equal part of the time."""
    for number, address in enumerate(addresses, 1):
        seconds = _left(until) / (len(addresses) - number + 1)
        try:
            plain = socket.create_connection((address, port_of(url)), timeout=seconds)
        except OSError:
            if number == len(addresses):
                raise
            continue
        if url.scheme != "https":
            return plain
        context = trusted or ssl.create_default_context()
        plain.settimeout(_left(until))
        with plain:  # closed if the handshake fails; a wrapped one has its descriptor no more
            return context.wrap_socket(plain, server_hostname=url.hostname)
    raise WebhookFailedError("the host has no address")


def _read_status(connection: socket.socket, until: float) -> int:
    read = b""
    while len(read) < MAX_ANSWER:
        connection.settimeout(_left(until))
        piece = connection.recv(MAX_ANSWER - len(read))
        read += piece
        while found := _STATUS.match(read):
            if (status := int(found[1])) >= _INTERIM:
                return status
            _, end, rest = read.partition(b"\r\n\r\n")
            if not end:
                break
            read = rest
        if not piece:
            break
    raise WebhookFailedError("the answer is not HTTP")


def _left(until: float) -> float:
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
