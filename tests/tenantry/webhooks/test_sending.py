"""Sending one message, to a real server on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenantry.errors import WebhookFailedError
from tenantry.webhooks import Outside, send
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = Outside(networks=(ip_network("127.0.0.0/8"),))


def test_a_message_is_posted_as_it_is() -> None:
    """Path, query, headers and body; the status is the answer's."""
    with receiving() as receiver:
        status = send(receiver.url, b'{"a": "\xc3\xa9"}', {"webhook-id": "1"}, outside=LOOPBACK)
        receiver.status = 500
        assert send(receiver.url, b"{}", {}, outside=LOOPBACK) == 500
    assert status == 204
    path, headers, body = receiver.taken[0]
    assert (path, body) == ("/hook?from=tenantry", b'{"a": "\xc3\xa9"}')
    assert headers["webhook-id"] == "1"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == receiver.url.split("/")[2]


def test_redirects_are_not_followed() -> None:
    """They would lead to an address that nobody has checked."""
    with receiving() as target, receiving() as receiver:
        receiver.status, receiver.headers = 307, {"Location": target.url}
        assert send(receiver.url, b"{}", {}, outside=LOOPBACK) == 307
    assert target.taken == []


def test_an_inside_address_is_not_even_connected_to() -> None:
    """The server sees nothing."""
    with receiving() as receiver, pytest.raises(WebhookFailedError, match="not outside"):
        send(receiver.url, b"{}", {}, outside=Outside())
    assert receiver.taken == []


@contextmanager
def answering(*pieces: bytes, stay: bool = False) -> Iterator[str]:
    """Run a server that says these bytes to whatever comes, and then closes or says no more."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                if stay:
                    over.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        over.set()
        thread.join()


@pytest.mark.parametrize(
    "pieces",
    [(b"",), (b"SSH-2.0-OpenSSH_9.2\r\n",), (b"HTTP/1.1 2",), (b"HTTP/1.1 103 x\r\n\r\n" * 2000,)],
    ids=["nothing", "no HTTP", "cut off", "only interim"],
)
def test_what_is_no_answer_is_told(pieces: tuple[bytes, ...]) -> None:
    """Also one that has no end: what is read has a limit."""
    with answering(*pieces) as url, pytest.raises(WebhookFailedError):
        send(url, b"{}", {}, outside=LOOPBACK)


def test_interim_answers_are_passed_over() -> None:
    """The status after them counts, however the bytes are cut."""
    with answering(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n", b"\r\nHTTP/1.1 202 OK\r\n") as url:
        assert send(url, b"{}", {}, outside=LOOPBACK) == 202


def test_a_silent_server_ends_in_time() -> None:
    """It holds a worker for the time that a message may take, and no longer."""
    with (
        answering(stay=True) as url,
        pytest.raises(WebhookFailedError, match=r"no answer within 0\.2 seconds"),
    ):
        send(url, b"{}", {}, outside=LOOPBACK, seconds=0.2)
    with pytest.raises(WebhookFailedError, match="refused"):
        send(url, b"{}", {}, outside=LOOPBACK)


def test_certificates_are_checked(tmp_path: Path) -> None:
    """A message goes to a server that proves its name, and to no other."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(make_certificate(tmp_path))
    with receiving(server) as receiver:
        with pytest.raises(WebhookFailedError, match="TLS failed"):
            send(receiver.url, b"{}", {}, outside=LOOPBACK)
        trusted = ssl.create_default_context(cafile=str(tmp_path / "server.pem"))
        assert send(receiver.url, b"{}", {}, outside=LOOPBACK, trusted=trusted) == 204
        other = receiver.url.replace("127.0.0.1", "127.0.0.2")
        with pytest.raises(WebhookFailedError):
            send(other, b"{}", {}, outside=LOOPBACK, trusted=trusted)
    assert len(receiver.taken) == 1


def make_certificate(folder: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    started = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(started - timedelta(hours=1))
        .not_valid_after(started + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path
