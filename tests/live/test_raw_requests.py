"""Requests that no browser sends: each reaches the right tenant or is refused, and leaves no trace.

Refused is a 4xx, a 501, or, where the server itself cannot read the request, a closed connection.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.live.load import wake_all
from tests.live.server import SITES, until
from tests.live.wire import connect, exchange, header_of, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import NewOddServer
    from tests.live.odd import OddServer

CLOSED = 0
"""The server closed the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What must not change: instances, files and the catalog."""

    built: frozenset[str]
    files: frozenset[str]
    epoch: int
    audited: int

    @classmethod
    def of(cls, server: OddServer) -> Trace:
        """Look."""
        # SQLite's own side files come and go with its connections; workers write figures by the clock.
        files = {
            str(path.relative_to(server.data))
            for path in server.data.rglob("*")
            if not path.name.endswith(("-wal", "-shm", "-journal"))
            and not path.name.startswith("figures.")
        }
        return cls(
            built=frozenset(server.noted("built")),
            files=frozenset(files),
            epoch=server.catalog.changes.read_epoch(),
            audited=server.catalog.audit.list(page=1, size=1).total,
        )


@pytest.fixture(scope="module")
def before(odd_server: OddServer) -> Trace:
    """Have every worker build every site, and return the trace from before the tests."""
    for slug in SITES:
        wake_all(partial(odd_server.site, slug))
    return Trace.of(odd_server)


@pytest.fixture(autouse=True)
def _no_trace(before: Trace, odd_server: OddServer) -> Iterator[None]:
    """Law 6: whatever is sent, there is no new instance, no new file, and no write."""
    yield
    assert Trace.of(odd_server) == before


def site_of(response: bytes) -> str:
    """Return whose site answered, if one did."""
    return header_of(response, "X-Site")


def request(host: bytes | None, *, target: bytes = b"/site", rest: bytes = b"") -> bytes:
    """Return the bytes of a GET request."""
    line = b"GET " + target + b" HTTP/1.1\r\n"
    named = b"" if host is None else b"Host: " + host + b"\r\n"
    return line + named + rest + b"\r\n"


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(b"acme.localhost", id="plain"),
        pytest.param(b"ACME.LocalHost", id="upper-case"),
        pytest.param(b"acme.localhost.", id="trailing-dot"),
        pytest.param(b"acme.localhost:8000", id="port"),
        pytest.param(b"acme.localhost:65535", id="highest-port"),
        pytest.param(b"acme.localhost:", id="empty-port"),
        pytest.param(b"Acme.localhost.:80", id="all-of-it"),
        pytest.param(b"  acme.localhost", id="space-before"),
    ],
)
def test_spellings_of_a_tenants_host(odd_server: OddServer, host: bytes) -> None:
    """R5: one host has several spellings, and all of them name the one tenant."""
    response = exchange(odd_server.port, request(host))
    assert (status_of(response), site_of(response)) == (200, "acme")


@pytest.mark.parametrize(
    ("host", "statuses"),
    [
        pytest.param(b"acmelocalhost", {421}, id="no-border"),
        pytest.param(b"xacme.localhost", {404}, id="longer-label"),
        pytest.param(b"cme.localhost", {404}, id="shorter-label"),
        pytest.param(b"b.acme.localhost", {404}, id="below-a-tenant"),
        pytest.param(b"acme.b.localhost", {404}, id="two-labels"),
        pytest.param(b"acme.localhost.evil.test", {421}, id="suffix"),
        pytest.param(b"acme", {421}, id="single-label"),
        pytest.param(b"localhost.acme", {421}, id="reversed"),
        pytest.param("äcme.localhost".encode(), {400}, id="utf-8"),
        pytest.param("äcme.localhost".encode("latin-1"), {400}, id="latin-1"),
        pytest.param("a\u217dme.localhost".encode(), {400}, id="roman-numeral"),
        pytest.param("acme\u3002localhost".encode(), {400}, id="ideographic-dot"),
        pytest.param(b"xn--cme-pla.localhost", {404}, id="a-label"),
        pytest.param(b"127.0.0.1", {307}, id="ipv4"),
        pytest.param(b"127.0.0.1:80", {307}, id="ipv4-port"),
        pytest.param(b"127.1", {400}, id="ipv4-short"),
        pytest.param(b"2130706433", {400}, id="ipv4-number"),
        pytest.param(b"0x7f000001", {400}, id="ipv4-hex"),
        pytest.param(b"[::1]", {307}, id="ipv6"),
        pytest.param(b"[::ffff:127.0.0.1]:80", {400}, id="ipv6-mapped"),
        pytest.param(b"[acme.localhost]", {400}, id="brackets"),
        pytest.param(None, {400}, id="missing"),
        pytest.param(b"", {400}, id="empty"),
        pytest.param(b".", {400}, id="dot"),
        pytest.param(b":80", {400}, id="only-a-port"),
        pytest.param(b"a" * 64 + b".localhost", {400}, id="long-label"),
        pytest.param(b".".join([b"a" * 60] * 5) + b".localhost", {400}, id="overlong"),
        pytest.param(b"a" * 60 + b".localhost", {404}, id="long-slug"),
        pytest.param(b"acme\x00.localhost", {400, CLOSED}, id="nul"),
        pytest.param(b"acme.localhost\x00.evil.test", {400, CLOSED}, id="nul-cut"),
        pytest.param(b"acme.localhost\x00", {400, CLOSED}, id="nul-end"),
        pytest.param(b"evil.test@acme.localhost", {400}, id="user-info"),
        pytest.param(b"acme.localhost@evil.test", {400}, id="user-info-swapped"),
        pytest.param(b"acme.localhost/..", {400}, id="path"),
        pytest.param(b"acme.localhost/../globex.localhost", {400}, id="path-to-neighbour"),
        pytest.param(b"acme.localhost?x", {400}, id="query"),
        pytest.param(b"acme.localhost#x", {400}, id="fragment"),
        pytest.param(b"acme.localhost\\x", {400}, id="backslash"),
        pytest.param(b"acme%2elocalhost", {400}, id="percent"),
        pytest.param(b"http://acme.localhost", {400}, id="url"),
        pytest.param(b"acme.localhost:99999", {400}, id="port-too-high"),
        pytest.param(b"acme.localhost:0", {400}, id="port-zero"),
        pytest.param(b"acme.localhost:-1", {400}, id="port-negative"),
        pytest.param(b"acme.localhost:80a", {400}, id="port-letters"),
        pytest.param(b"acme.localhost:80:80", {400}, id="two-ports"),
        pytest.param(b"acme.localhost, globex.localhost", {400}, id="list"),
        pytest.param(b"acme.localhost globex.localhost", {400}, id="two-words"),
        pytest.param(b"acme.localhost\x0bx", {400, CLOSED}, id="vertical-tab"),
        pytest.param(b"_acme.localhost", {400}, id="underscore"),
        pytest.param(b"-acme.localhost", {400}, id="hyphen-first"),
        pytest.param(b"acme-.localhost", {400}, id="hyphen-last"),
        pytest.param(b".acme.localhost", {400}, id="dot-first"),
        pytest.param(b"acme..localhost", {400}, id="two-dots"),
        pytest.param(b"acme.localhost..", {400}, id="two-dots-last"),
        pytest.param(b"*.localhost", {400}, id="wildcard"),
        pytest.param(b"$(id).localhost", {400}, id="shell"),
        pytest.param(b"' or 1=1--.localhost", {400}, id="sql"),
        pytest.param(b"acme.localhost\r\nHost: globex.localhost", {400}, id="doubled"),
        pytest.param(b"acme.localhost\r\nHost: acme.localhost", {400}, id="doubled-same"),
        pytest.param(b"acme.localhost\r\nhost: globex.localhost", {400}, id="doubled-case"),
        pytest.param(b"acme.localhost\r\n globex.localhost", {400, CLOSED}, id="folded"),
    ],
)
def test_hosts_that_name_nobody(
    odd_server: OddServer, host: bytes | None, statuses: set[int]
) -> None:
    """R5, R6: what is not exactly a tenant's host shows no site, and is refused.

    A local platform leads from its bare address to its front page.
    """
    response = exchange(odd_server.port, request(host))
    assert status_of(response) in statuses
    assert site_of(response) == ""


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /site HTTP/1.1\r\nHost : acme.localhost\r\n\r\n", id="space"),
        pytest.param(b"GET /site HTTP/1.1\r\n Host: acme.localhost\r\n\r\n", id="leading-space"),
        pytest.param(b"GET /site HTTP/1.1\r\nHost\r\n\r\n", id="no-colon"),
        pytest.param(b"GET /site HTTP/1.0\r\n\r\n", id="http-1.0-without"),
        pytest.param(b"GET /site\r\n\r\n", id="http-0.9"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="http-2-preface"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50, id="tls"),
        pytest.param(
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /site HTTP/1.1\r\nHost: acme.localhost\r\n\r\n",
            id="proxy-protocol",
        ),
        pytest.param(b"\x00\x10\x00\x00" + b"A" * 16, id="uwsgi-packet"),
        pytest.param(b"\r\n\r\n\r\n\r\n", id="empty-lines"),
    ],
)
def test_what_is_hardly_http_names_nobody(odd_server: OddServer, head: bytes) -> None:
    """Law 1: without a host there is no default tenant, in whatever shape the request comes."""
    response = hang_up_after(odd_server, head)
    assert status_of(response) in {CLOSED, 400, 405}
    assert site_of(response) == ""


def hang_up_after(server: OddServer, data: bytes) -> bytes:
    """Send bytes, say that there are no more, and return the answer."""
    with connect(server.port) as peer:
        received = bytearray()
        try:
            peer.sendall(data)
            peer.shutdown(1)
            while part := peer.recv(65536):
                received += part
        except ConnectionError:
            pass
        return bytes(received)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(b"/site%00", id="nul"),
        pytest.param(b"/site%zz", id="no-hex"),
        pytest.param(b"/site%0d%0aX-Site:%20globex", id="crlf"),
        pytest.param(b"/%2e%2e/site", id="dots-encoded"),
        pytest.param(b"/..%2fsite", id="dots-slash-encoded"),
        pytest.param(b"/..%5csite", id="dots-backslash"),
        pytest.param(b"/\\site", id="backslash"),
        pytest.param(b"/%5csite", id="backslash-encoded"),
        pytest.param(b"/%ff", id="no-utf-8"),
        pytest.param(b"/\xff\xfe", id="no-utf-8-raw"),
        pytest.param(b"/%c0%af", id="overlong-utf-8"),
        pytest.param(b"/%ed%a0%80", id="surrogate"),
        pytest.param(b"/site\x00", id="nul-raw"),
        pytest.param(b"/site\x7f", id="delete"),
        pytest.param(b"http://globex.localhost/site", id="absolute-neighbour"),
        pytest.param(b"http://acme.localhost@globex.localhost/site", id="absolute-user"),
        pytest.param(b"http:///site", id="absolute-empty"),
        pytest.param(b"http://[/site", id="absolute-broken"),
        pytest.param(b"ftp://acme.localhost/site", id="absolute-ftp"),
        pytest.param(b"*", id="star"),
        pytest.param(b"site", id="no-slash"),
        pytest.param(b"globex.localhost:80", id="authority"),
        pytest.param(b"?x", id="only-a-query"),
        pytest.param(b"/" + b"a" * 9000, id="long"),
        pytest.param(b"/site?" + b"a" * 9000, id="long-query"),
    ],
)
def test_targets_that_no_app_should_judge(odd_server: OddServer, target: bytes) -> None:
    """R7, R10: odd paths and foreign absolute targets stop at the gate."""
    response = exchange(odd_server.port, request(b"acme.localhost", target=target))
    assert status_of(response) in {400, 414, CLOSED}
    assert site_of(response) == ""


@pytest.mark.parametrize(
    "target",
    [
        b"http://acme.localhost/site",
        b"HTTP://ACME.localhost:80/site",
        b"https://acme.localhost/site",
    ],
)
def test_an_absolute_target_that_agrees_is_served(odd_server: OddServer, target: bytes) -> None:
    """RFC 9112, 3.2.2: absolute-form is accepted where it names the same host as Host."""
    response = exchange(odd_server.port, request(b"acme.localhost", target=target))
    assert (status_of(response), site_of(response)) == (200, "acme")


@pytest.mark.parametrize(
    "target",
    [
        b"//site",
        b"/%2fsite",
        b"/site/%252e%252e/x",
        b"//globex.localhost/site",
        # uWSGI resolves plain dots by itself, as browsers do before they send.
        b"/../site",
        b"/x/../site",
        b"/./site",
        b"/../../globex/site",
    ],
)
def test_odd_targets_stay_with_their_host(odd_server: OddServer, target: bytes) -> None:
    """Double slashes, plain dots and double encodings lead nowhere but to the host's own pages."""
    response = exchange(odd_server.port, request(b"acme.localhost", target=target))
    assert status_of(response) in {200, 404}
    assert site_of(response) == "acme"


@pytest.mark.parametrize(
    "method",
    [b"TRACE", b"TRACK", b"CONNECT", b"PROPFIND", b"get", b"GETT", b"X" * 200, b"G\x00T", b"-"],
)
def test_unknown_methods_are_refused(odd_server: OddServer, method: bytes) -> None:
    """TRACE would echo cookies; what nobody knows reaches no app."""
    secret = b"Cookie: session=do-not-echo\r\n"
    head = method + b" /site HTTP/1.1\r\nHost: acme.localhost\r\n" + secret + b"\r\n"
    response = exchange(odd_server.port, head)
    assert status_of(response) in {400, 405, CLOSED}
    assert site_of(response) == ""
    assert b"do-not-echo" not in response


def posted(headers: bytes, body: bytes = b"") -> bytes:
    """Return the bytes of a POST request to the upload view."""
    return b"POST /upload HTTP/1.1\r\nHost: acme.localhost\r\n" + headers + b"\r\n" + body


@pytest.mark.parametrize(
    ("headers", "body", "statuses"),
    [
        pytest.param(
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            b"0\r\n\r\nGET /site HTTP/1.1\r\nHost: globex.localhost\r\n\r\n",
            {400},
            id="length-and-chunked",
        ),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            {400},
            id="chunked-and-length",
        ),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello", {400}, id="twice"),
        pytest.param(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello", {400}, id="two"),
        pytest.param(b"Content-Length: 5, 5\r\n", b"hello", {400}, id="list"),
        pytest.param(b"Content-Length: +5\r\n", b"hello", {400}, id="plus"),
        pytest.param(b"Content-Length: -5\r\n", b"hello", {400}, id="minus"),
        pytest.param(b"Content-Length: 5abc\r\n", b"hello", {400}, id="letters"),
        pytest.param(b"Content-Length: 0x5\r\n", b"hello", {400}, id="hex"),
        pytest.param(b"Content-Length: 5.0\r\n", b"hello", {400}, id="fraction"),
        pytest.param(b"Content-Length: \xb2\r\n", b"hello", {400}, id="superscript"),
        pytest.param(
            b"Content-Length: 18446744073709551621\r\n", b"hello", {400, 413}, id="2-to-the-64"
        ),
        pytest.param(b"Content-Length: 999999999999\r\n", b"hello", {413}, id="over-the-limit"),
        pytest.param(b"Transfer-Encoding: gzip\r\n", b"hello", {501}, id="gzip"),
        pytest.param(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", {501}, id="gzip-too"),
        pytest.param(b"Transfer-Encoding: identity\r\n", b"hello", {501}, id="identity"),
        pytest.param(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n", {501}, id="xchunked"),
        pytest.param(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n", {400, 501}, id="tab"),
        pytest.param(
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
            b"0\r\n\r\n",
            {501},
            id="chunked-twice",
        ),
        pytest.param(
            b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n",
            b"hello",
            {400},
            id="underscore",
        ),
        pytest.param(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n", {400}, id="space"),
        pytest.param(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n", {400}, id="space-tab"),
        pytest.param(b"Content-Length : 5\r\n", b"hello", {400}, id="space-length"),
    ],
)
def test_bodies_of_uncertain_length_are_refused(
    odd_server: OddServer, headers: bytes, body: bytes, statuses: set[int]
) -> None:
    """R13: a body has one length, or the request goes no further."""
    handled = len(odd_server.noted("handled"))
    response = hang_up_after(odd_server, posted(headers, body))
    assert status_of(response) in statuses
    assert site_of(response) == ""
    assert response.count(b"HTTP/1.") == 1
    assert len(odd_server.noted("handled")) == handled


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(b"X-Long: " + b"a" * 40000 + b"\r\n", id="long-header"),
        pytest.param(b"Cookie: " + b"a=b; " * 10000 + b"\r\n", id="many-cookies"),
        pytest.param(b"".join(b"X-%d: 1\r\n" % n for n in range(5000)), id="many-headers"),
    ],
)
def test_oversized_heads_are_refused(odd_server: OddServer, rest: bytes) -> None:
    """Law 6: a head that is larger than the buffer costs the server nothing."""
    response = exchange(odd_server.port, request(b"acme.localhost", rest=rest))
    assert status_of(response) in {400, 414, 431, CLOSED}
    assert odd_server.site("acme").status == 200


SPOOFS = [
    b"X-Forwarded-Host: globex.localhost",
    b"X_Forwarded_Host: globex.localhost",
    b"X-Forwarded_Host: globex.localhost",
    b"X-Forwarded-For: 6.6.6.6",
    b"X_Forwarded_For: 6.6.6.6",
    b"X-Forwarded-Proto: https",
    b"X_Forwarded_Proto: https",
    b"X-Forwarded-Port: 443",
    b"X-Forwarded-Prefix: //evil.test",
    b"X-Forwarded-Server: globex.localhost",
    b"X-Forwarded-Ssl: on",
    b"Forwarded: for=6.6.6.6;host=globex.localhost;proto=https",
    b"X-Host: globex.localhost",
    b"X-Original-Host: globex.localhost",
    b"X-Real-IP: 6.6.6.6",
    b"X-Original-URL: /backend/",
    b"X-Rewrite-URL: /backend/",
    b"X-Script-Name: /evil",
    b"X-HTTP-Method-Override: DELETE",
    b"Proxy: http://evil.test",
    b"Script-Name: /evil",
    b"Path-Info: /backend/",
    b"Remote-Addr: 6.6.6.6",
    b"Server-Name: globex.localhost",
]


@pytest.mark.parametrize("spoof", SPOOFS, ids=lambda spoof: spoof.decode().partition(":")[0])
def test_headers_change_neither_tenant_nor_visitor(odd_server: OddServer, spoof: bytes) -> None:
    """R1, R4: without a trusted proxy no header but Host names the tenant, nor path or peer."""
    head = request(b"acme.localhost", target=b"/facts", rest=spoof + b"\r\n")
    response = exchange(odd_server.port, head)
    assert (status_of(response), site_of(response)) == (200, "acme")
    facts = json.loads(response.partition(b"\r\n\r\n")[2])
    assert facts["REMOTE_ADDR"] == "127.0.0.1"
    assert facts["wsgi.url_scheme"] == "http"
    assert facts["SCRIPT_NAME"] == ""
    assert facts["PATH_INFO"] == "/facts"
    assert facts["forwarded"] == []


@pytest.fixture(scope="module")
def proxied(new_module_odd_server: NewOddServer) -> Iterator[OddServer]:
    """Return a server that trusts one proxy."""
    with new_module_odd_server("acme", "globex", TENANTRY_TRUSTED_PROXIES="1") as running:
        yield running


def test_one_trusted_proxy_tells_the_visitors_address(proxied: OddServer) -> None:
    """R2: with one trusted hop, exactly one value of each header is believed."""
    headers = b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
    response = exchange(proxied.port, request(b"acme.localhost", target=b"/facts", rest=headers))
    facts = json.loads(response.partition(b"\r\n\r\n")[2])
    assert facts["REMOTE_ADDR"] == "203.0.113.7"
    assert facts["wsgi.url_scheme"] == "https"


@pytest.mark.parametrize(
    "rest",
    [
        b"X-Forwarded-For: 6.6.6.6, 203.0.113.7",
        b"X-Forwarded-For: 203.0.113.7\r\nX_Forwarded_For: 6.6.6.6",
        b"X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7",
        b"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded_For: 6.6.6.6",
        b"X-Forwarded-Proto: https\r\nX_Forwarded_Proto: http",
        b"X-Forwarded-Proto: https, http",
    ],
)
def test_one_value_too_many_is_refused(proxied: OddServer, rest: bytes) -> None:
    """R2: a client's own header beside the proxy's makes the count wrong."""
    response = exchange(proxied.port, request(b"acme.localhost", rest=rest + b"\r\n"))
    assert (status_of(response), site_of(response)) == (400, "")


@pytest.mark.parametrize(
    "rest", [b"X-Forwarded-Host: globex.localhost", b"X_Forwarded_Prefix: //evil.test"]
)
def test_no_proxy_names_the_tenant(proxied: OddServer, rest: bytes) -> None:
    """R1: even a trusted proxy's X-Forwarded-Host and -Prefix are not looked at."""
    rest += b"\r\nX-Forwarded-For: 203.0.113.7\r\n"
    response = exchange(proxied.port, request(b"acme.localhost", target=b"/facts", rest=rest))
    assert (status_of(response), site_of(response)) == (200, "acme")
    facts = json.loads(response.partition(b"\r\n\r\n")[2])
    assert (facts["HTTP_HOST"], facts["SCRIPT_NAME"]) == ("acme.localhost", "")


def test_a_half_sent_request_gives_its_thread_back(odd_server: OddServer) -> None:
    """Peers that never finish their head are dropped, and more of them than threads block nobody."""
    peers = [connect(odd_server.port) for _ in range(8)]
    try:
        for peer in peers:
            peer.sendall(b"GET /site HTTP/1.1\r\nHost: acme.local")
        until(lambda: odd_server.site("globex").status == 200, seconds=60)
    finally:
        for peer in peers:
            peer.close()
