"""The shipped proxy files: HTTPS, the right tenant, whole uploads, and nothing to be forged."""

from __future__ import annotations

import hashlib
import json
import random
import ssl
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.edge import DOMAIN, PROGRAMS, Edge, need
from tests.live.odd import OddServer
from tests.live.test_raw_requests import SPOOFS
from tests.live.wire import ask, pieces, status_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.live.conftest import NewServer

LIMIT = 25 * 1024 * 1024
ACME = f"acme.{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A proxy and the server behind it."""

    edge: Edge
    server: OddServer


@pytest.fixture(scope="module", params=PROGRAMS)
def deployment(request: pytest.FixtureRequest, folder: Path) -> Iterator[Deployment]:
    """Return each shipped proxy file in turn, in front of odd sites."""
    name: str = request.param
    need(PROGRAMS[name])
    base = Path(tempfile.mkdtemp(prefix="edge-", dir=folder))
    env = {"TENANTRY_DOMAIN": DOMAIN}
    if name == "nginx.conf":
        env["TENANTRY_SOCKET"] = str(base / "app.sock")
    else:
        env["TENANTRY_TRUSTED_PROXIES"] = "1"
    with ExitStack() as stack:
        server = stack.enter_context(OddServer.prepare(base / "o", ("acme", "globex"), env=env))
        upstream = env.get("TENANTRY_SOCKET", server.port)
        yield Deployment(stack.enter_context(Edge(name, base, upstream=upstream)), server)


@pytest.mark.parametrize("slug", ["acme", "globex"])
def test_each_name_shows_its_site_over_https(deployment: Deployment, slug: str) -> None:
    """The proxy hands the name on unchanged, and the app knows that the visitor came by HTTPS."""
    answer = deployment.edge.ask(f"{slug}.{DOMAIN}", "/facts")
    assert (answer.status, answer.get("X-Site")) == (200, slug)
    facts = json.loads(answer.body)
    assert facts["HTTP_HOST"] == f"{slug}.{DOMAIN}"
    assert facts["wsgi.url_scheme"] == "https"
    assert facts["REMOTE_ADDR"] == "127.0.0.1"


def test_the_apex_and_free_names_are_the_front_apps(deployment: Deployment) -> None:
    """The apex shows the front page; a name that nobody has is 404, through the proxy, too."""
    assert deployment.edge.ask(DOMAIN).status == 200
    assert deployment.edge.ask(f"nobody.{DOMAIN}").status == 404


def test_plain_http_leads_to_https(deployment: Deployment) -> None:
    """A visitor without HTTPS is sent to the same place with it."""
    answer = ask(deployment.edge.plain_port, ACME, "/posts?page=2")
    assert answer.status in {301, 302, 307, 308}
    location = answer.get("Location").replace(f":{deployment.edge.port}", "")
    assert location == f"https://{ACME}/posts?page=2"


def test_a_foreign_name_is_never_redirected_to(deployment: Deployment) -> None:
    """A Host that is not ours appears in no Location."""
    answer = ask(deployment.edge.plain_port, "evil.test", "/")
    assert answer.get("X-Site") == ""
    assert "evil.test" not in answer.get("Location")
    assert answer.status == 421


def test_a_foreign_name_gets_no_certificate(deployment: Deployment) -> None:
    """TLS for a name that is not ours ends before it begins."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    from tests.live.wire import connect

    with connect(deployment.edge.port) as peer, pytest.raises((ssl.SSLError, OSError)):
        context.wrap_socket(peer, server_hostname="evil.test").close()


@pytest.mark.parametrize("spoof", SPOOFS, ids=lambda spoof: spoof.decode().partition(":")[0])
def test_visitors_cannot_speak_for_the_proxy(deployment: Deployment, spoof: bytes) -> None:
    """R1, R2: whatever headers a visitor adds, tenant, address, scheme and path are the real ones."""
    head = b"GET /facts HTTP/1.1\r\nHost: " + ACME.encode() + b"\r\nConnection: close\r\n"
    response = deployment.edge.exchange(ACME, head + spoof + b"\r\n\r\n")
    if status_of(response) == 400:
        return
    assert status_of(response) == 200
    body = response.partition(b"\r\n\r\n")[2]
    facts = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
    assert facts["HTTP_HOST"] == ACME
    assert facts["REMOTE_ADDR"] == "127.0.0.1"
    assert facts["wsgi.url_scheme"] == "https"
    assert (facts["SCRIPT_NAME"] or "", facts["PATH_INFO"]) == ("", "/facts")


@pytest.mark.parametrize(
    ("length", "sizes"),
    [(300_000, (1, 7, 4096, 65_537)), (5_000_001, (100_003, 1, 1_000_001, 17))],
    ids=["300-kB", "5-MB"],
)
def test_chunked_uploads_arrive_whole(
    deployment: Deployment, length: int, sizes: tuple[int, ...]
) -> None:
    """R14: a chunked body reaches the app with every octet, whichever way the proxy passes it."""
    body = random.Random(length).randbytes(length)
    answer = deployment.edge.ask(ACME, "/upload", method="POST", body=pieces(body, sizes))
    assert (answer.status, answer.text) == (200, f"{length} {hashlib.sha256(body).hexdigest()}")


def test_uploads_with_a_length_arrive_whole(deployment: Deployment) -> None:
    """So does a body that says how long it is."""
    body = random.Random(3).randbytes(3_000_000)
    answer = deployment.edge.ask(ACME, "/upload", method="POST", body=body)
    assert (answer.status, answer.text) == (200, f"3000000 {hashlib.sha256(body).hexdigest()}")


def test_a_body_over_the_limit_is_refused(deployment: Deployment) -> None:
    """What is announced as too long is 413 and reaches no app."""
    handled = len(deployment.server.noted("handled"))
    head = f"POST /upload HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: {LIMIT + 1}\r\n\r\n"
    with deployment.edge.tls(ACME) as peer:
        peer.sendall(head.encode())
        assert status_of(upload(peer, LIMIT)) == 413
    assert len(deployment.server.noted("handled")) == handled


def upload(peer: socket.socket, length: int) -> bytes:
    """Send a body until the answer comes, as browsers do; return the answer's beginning.

    A client that stops sending would wait for ever: Caddy asks the server when its buffer of 1 MiB is
    full, and then hands the answer on when it has read some more.
    """
    peer.settimeout(0.05)
    for _ in range(0, length, 2**16):
        with suppress(OSError):  # HAProxy judges the first buffer, and hangs up during the rest
            peer.sendall(b"x" * 2**16)
        with suppress(TimeoutError):
            return peer.recv(65536)
    return b""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"5\r\nhel", id="cut-off"),
        pytest.param(b"5\r\nhello\r\n", id="before-the-last"),
        pytest.param(b"5\r\nhello\r\nzz\r\n\r\n", id="no-number"),
        pytest.param(b"5\r\nhelloXX0\r\n\r\n", id="no-line-end"),
        pytest.param(b"-5\r\nhello\r\n0\r\n\r\n", id="negative"),
    ],
)
def test_broken_chunks_never_reach_the_app(deployment: Deployment, body: bytes) -> None:
    """A chunked body that is cut off or malformed is refused, and no handler runs with half of it."""
    handled = len(deployment.server.noted("handled"))
    head = f"POST /upload HTTP/1.1\r\nHost: {ACME}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with deployment.edge.tls(ACME) as peer:
        peer.sendall(head.encode() + body)
        if body.endswith(b"\r\n\r\n"):
            assert status_of(peer.recv(65536)) in {400, 501, 502}
    # The visitor has left. A later request shows that the earlier one is settled.
    assert deployment.edge.ask(ACME, "/site").status == 200
    assert "acme upload" not in deployment.server.noted("handled")[handled:]


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("Host: acme.example.com\r\nHost: globex.example.com\r\n", id="two-hosts"),
        pytest.param("", id="no-host"),
        pytest.param("Host: globex.example.com@acme.example.com\r\n", id="user-info"),
        pytest.param("Host: acme.example.com/../globex\r\n", id="path"),
        pytest.param("Host: 127.0.0.1\r\n", id="address"),
        pytest.param("Host: evil.test\r\n", id="foreign"),
    ],
)
def test_odd_hosts_show_no_site(deployment: Deployment, head: str) -> None:
    """R5: behind the proxy, too, what is not exactly a tenant's host shows no site."""
    request = f"GET /site HTTP/1.1\r\n{head}Connection: close\r\n\r\n"
    response = deployment.edge.exchange(ACME, request.encode())
    assert b"X-Site" not in response.title()
    assert status_of(response) in {0, 400, 403, 404, 421} or (
        deployment.edge.name == "Caddyfile" and status_of(response) == 200
    )


# Only nginx keeps a whole body back until it is complete.
@pytest.mark.parametrize("deployment", ["nginx.conf", "nginx-http.conf"], indirect=True)
def test_slow_senders_take_no_thread(deployment: Deployment) -> None:
    """Visitors who never finish their upload cost the proxy a connection, and the others nothing."""
    head = f"POST /upload HTTP/1.1\r\nHost: {ACME}\r\nContent-Length: 1000\r\n\r\nx"
    peers = [deployment.edge.tls(ACME) for _ in range(20)]
    try:
        for peer in peers:
            peer.sendall(head.encode())
        handled = len(deployment.server.noted("handled"))
        for _ in range(20):
            assert deployment.edge.ask(f"globex.{DOMAIN}", "/site").status == 200
        assert len(deployment.server.noted("handled")) == handled + 20
    finally:
        for peer in peers:
            peer.close()


def test_cookies_are_for_one_host_and_https_only(new_server: NewServer, folder: Path) -> None:
    """R17: behind the shipped nginx.conf a session cookie is ``__Host-``, Secure and HttpOnly."""
    need("nginx")
    base = Path(tempfile.mkdtemp(prefix="edge-", dir=folder))
    path = str(base / "app.sock")
    server = new_server(env={"TENANTRY_DOMAIN": DOMAIN, "TENANTRY_SOCKET": path})
    with server, Edge("nginx.conf", base, upstream=path) as edge:
        answer = edge.ask(ACME, "/members/sign-up")
        assert answer.status == 200
        cookie = answer.get("Set-Cookie")
        assert cookie.startswith("__Host-session=")
        for attribute in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
            assert attribute in cookie.split("; ")
        assert "Domain" not in cookie
        assert answer.get("Strict-Transport-Security")
        assert f'href="https://{ACME}/"' in edge.ask(ACME).text
