"""The request gate: what is malformed, oversized or ambiguous reaches no app."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tenantry.dispatch import Pages
from tenantry.middleware.bodies import BodyLimits
from tenantry.middleware.gate import MAX_TARGET, METHODS, NEVER, RequestGate
from tenantry.middleware.senders import Senders
from tests.conftest import DOMAIN
from tests.tenantry.support import Answer, ask, hello

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

PAGES = Pages(f"http://{DOMAIN}/")
MIB = 1024 * 1024


class Gate:
    """A gate with an app behind it that remembers what it was asked."""

    def __init__(self, **options: Any) -> None:
        self.seen: list[WSGIEnvironment] = []
        app = hello("app", self.seen)
        senders = Senders(most=3, most_of_client=2)
        bodies = BodyLimits(form_bytes=MIB, fields=1000, max_bytes=MIB, senders=senders)
        self.app = RequestGate(app, pages=PAGES, bodies=bodies, **options)

    def ask(self, **environ: Any) -> Answer:
        return ask(self.app, environ=environ)


@pytest.fixture
def gate() -> Gate:
    return Gate()


# --- methods and paths --------------------------------------------------------------------------


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_usual_methods_pass(gate: Gate, method: str) -> None:
    """What HTML, JSON APIs and browsers use."""
    assert gate.ask(REQUEST_METHOD=method).status == 200


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "PROPFIND", "get", "GET ", "", "G\x00T", "X" * 9999]
)
def test_other_methods_do_not(gate: Gate, method: str) -> None:
    """TRACE would echo cookies; 405 says which methods there are (RFC 9110, 15.5.6)."""
    answer = gate.ask(REQUEST_METHOD=method)

    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == METHODS


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/", id="root"),
        pytest.param("/a/b.c/...d/..e/f..", id="dots inside segments"),
        pytest.param("//a//b", id="doubled slashes"),
        pytest.param("/\xc3\xa4", id="UTF-8"),
        pytest.param("/a b;c=d,e:f@g%h?i#j", id="whatever else a segment may hold"),
        pytest.param("/.well-known/security.txt", id="hidden"),
        pytest.param("/...", id="three dots"),
    ],
)
def test_a_plain_path_passes_untouched(gate: Gate, path: str) -> None:
    """R10: the gate refuses or lets pass; it mends nothing."""
    assert gate.ask(PATH_INFO=path).status == 200
    assert gate.seen[0]["PATH_INFO"] == path


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/a\x00b", id="NUL"),
        pytest.param("/a\r\nX: b", id="CR LF"),
        pytest.param("/a\nb", id="LF"),
        pytest.param("/\x1b[31m", id="ESC"),
        pytest.param("/\x7f", id="DEL"),
        pytest.param("/a\\b", id="backslash"),
        pytest.param("/..", id="dot segment at the end"),
        pytest.param("/../a", id="dot segment in front"),
        pytest.param("/a/../b", id="dot segment inside"),
        pytest.param("/./a", id="single dot"),
        pytest.param("/a/.", id="single dot at the end"),
        pytest.param("/\xff", id="not UTF-8"),
        pytest.param("/\xc0\xaf", id="overlong slash"),
        pytest.param("/\xed\xa0\x80", id="surrogate"),
        pytest.param("/\u20ac", id="no WSGI string"),
        pytest.param("", id="empty"),
        pytest.param("*", id="asterisk"),
        pytest.param("a", id="no slash"),
        pytest.param(None, id="missing"),
    ],
)
def test_a_path_that_could_be_read_twice_is_refused(gate: Gate, path: str | None) -> None:
    """R10: 400, and the app is not asked."""
    assert gate.ask(PATH_INFO=path).status == 400
    assert gate.seen == []


@pytest.mark.parametrize("query", ["a\r\nX-Evil: 1", "a\x00", "a\rb", "\x7f", "\x1b"])
def test_no_control_character_comes_in_a_query(gate: Gate, query: str) -> None:
    """R10: a query is sent back in redirects, and must not end a header there."""
    assert gate.ask(QUERY_STRING=query).status == 400
    assert gate.seen == []


@pytest.mark.parametrize("query", ["", "a=b&c=%00", "\xc3\xa4=\xff", "a b\\c/../d\xa0"])
def test_any_other_query_passes(gate: Gate, query: str) -> None:
    """R10: a query is the app's own; its bytes are no path."""
    assert gate.ask(QUERY_STRING=query).status == 200


@pytest.mark.parametrize("missing", ["REQUEST_METHOD", "PATH_INFO"])
def test_a_line_of_http_09_is_no_request(gate: Gate, missing: str) -> None:
    """R10: some servers hand such a line on without its parts."""
    assert gate.ask(**{missing: None}).status == 400


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        pytest.param("/" * MAX_TARGET, "", 200, id="longest path"),
        pytest.param("/" * (MAX_TARGET - 4), "a=bc", 200, id="longest with query"),
        pytest.param("/" * (MAX_TARGET + 1), "", 414, id="path"),
        pytest.param("/", "a" * MAX_TARGET, 414, id="query"),
    ],
)
def test_an_address_has_a_longest(gate: Gate, path: str, query: str, status: int) -> None:
    """Law 6: 414 above the limit, which lies above what RFC 9110 asks for."""
    assert gate.ask(PATH_INFO=path, QUERY_STRING=query).status == status


# --- absolute form and hosts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (f"http://{DOMAIN}/a/b", "/a/b"),
        (f"https://{DOMAIN.upper()}.:8000/a", "/a"),
        (f"http://{DOMAIN}", "/"),
    ],
)
def test_an_absolute_target_may_say_the_same_as_host(gate: Gate, target: str, path: str) -> None:
    """R7: proxies may be asked so; the path is what counts."""
    assert gate.ask(PATH_INFO=target).status == 200
    assert gate.seen[0]["PATH_INFO"] == path


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("http://evil.test/", id="another host"),
        pytest.param(f"http://evil.test@{DOMAIN}/", id="userinfo"),
        pytest.param(f"http://{DOMAIN}@evil.test/", id="userinfo the other way"),
        pytest.param(f"ftp://{DOMAIN}/", id="another scheme"),
        pytest.param(f"{DOMAIN}/", id="no scheme"),
        pytest.param("http:///a", id="no host"),
        pytest.param(f"http://{DOMAIN}/../a", id="dot segments"),
        pytest.param(f"http://{DOMAIN}/a\\b", id="backslash"),
        pytest.param(f"http://{DOMAIN}/a\nb", id="LF, which urlsplit drops"),
        pytest.param(f"ht\ttp://{DOMAIN}/a", id="TAB in the scheme"),
        pytest.param("http://[::1/", id="broken IPv6"),
        pytest.param(f"http://{DOMAIN}:x/", id="bad port"),
    ],
)
def test_an_absolute_target_never_overrules_host(gate: Gate, target: str) -> None:
    """R7: whatever does not agree with Host, letter by letter, is 400."""
    assert gate.ask(PATH_INFO=target).status == 400
    assert gate.seen == []


@pytest.mark.parametrize(
    "host", ["", None, "a b", "a, b", "127.0.0.1", "a\x00", "@a", "a/..", "\u212a"]
)
def test_a_bad_host_stops_here(gate: Gate, host: str | None) -> None:
    """R5: before any app, and before any look-up."""
    assert gate.ask(HTTP_HOST=host).status == 400
    assert gate.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000"])
def test_this_machines_bare_address_can_lead_to_the_name(host: str) -> None:
    """Who types the address that other servers print arrives; nothing is done under it."""
    gate = Gate(loopback=hello("home"))
    assert gate.ask(HTTP_HOST=host).text == "home||/"
    assert gate.ask(HTTP_HOST=host, REQUEST_METHOD="POST").status == 400
    assert gate.ask(HTTP_HOST=host, PATH_INFO="/a\r\nb").status == 400
    assert Gate().ask(HTTP_HOST=host).status == 400
    assert gate.seen == []


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "192.0.2.1", "[::2]", "[::1", "127.0.0.1:x", "127.0.0.1.", "0x7f.1"]
)
def test_no_other_address_leads_anywhere(host: str) -> None:
    """The strict rule for hosts has one exception; a page names the right address."""
    answer = Gate(loopback=hello("home")).ask(HTTP_HOST=host, HTTP_ACCEPT="application/json")
    assert answer.status == 400
    if host in {"127.0.0.2", "192.0.2.1", "[::2]"}:
        assert f"Use the name: http://{DOMAIN}/" in answer.text


# --- bodies -------------------------------------------------------------------------------------


def post(gate: Gate, **environ: Any) -> Answer:
    return gate.ask(REQUEST_METHOD="POST", **environ)


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        pytest.param({"CONTENT_LENGTH": ""}, 200, id="no length"),
        pytest.param({"CONTENT_LENGTH": "0"}, 200, id="zero"),
        pytest.param({"CONTENT_LENGTH": str(MIB)}, 200, id="longest"),
        pytest.param({"CONTENT_LENGTH": str(MIB + 1)}, 413, id="too long"),
        pytest.param({"CONTENT_LENGTH": "9" * 19}, 413, id="far too long"),
        pytest.param({"CONTENT_LENGTH": "9" * 20}, 400, id="not a length"),
        pytest.param({"CONTENT_LENGTH": "-1"}, 400, id="negative"),
        pytest.param({"CONTENT_LENGTH": "+1"}, 400, id="signed"),
        pytest.param({"CONTENT_LENGTH": "1, 1"}, 400, id="doubled"),
        pytest.param({"CONTENT_LENGTH": "0x1"}, 400, id="hexadecimal"),
        pytest.param({"CONTENT_LENGTH": "1\n"}, 400, id="newline"),
        pytest.param({"CONTENT_LENGTH": "\u0661"}, 400, id="Arabic digit"),
        pytest.param({"CONTENT_LENGTH": "\xb2"}, 400, id="superscript"),
        pytest.param({"HTTP_TRANSFER_ENCODING": ""}, 200, id="empty coding"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "gzip"}, 501, id="gzip"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, 501, id="two codings"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "chunked, chunked"}, 501, id="doubled coding"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "identity"}, 501, id="identity"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "xchunked"}, 501, id="nearly chunked"),
        pytest.param({"HTTP_TRANSFER_ENCODING": "chunked\x0b"}, 501, id="vertical tab"),
        pytest.param(
            {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": "5"}, 400, id="two lengths"
        ),
        pytest.param(
            {"HTTP_TRANSFER_ENCODING": "gzip", "CONTENT_LENGTH": "5"}, 501, id="length and gzip"
        ),
        pytest.param({"HTTP_TRANSFER_ENCODING": "chunked"}, 411, id="chunks nobody decodes"),
        pytest.param({"HTTP_TRANSFER_ENCODING ": "chunked"}, 400, id="space before the colon"),
        pytest.param({"": "chunked"}, 200, id="a header without a name"),
    ],
)
def test_a_body_has_one_length(gate: Gate, environ: dict[str, str], status: int) -> None:
    """R13, R14: two ways to read the length are none; a chunked body is never seen as empty."""
    assert post(gate, **environ).status == status
    assert len(gate.seen) == (status == 200)


@pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked\t"])
def test_chunks_that_the_server_decodes_pass(gate: Gate, coding: str) -> None:
    """R14: a server that marks the end of its input has decoded the chunks."""
    environ = {"wsgi.input_terminated": True, "wsgi.input": io.BytesIO(b"data")}

    assert post(gate, HTTP_TRANSFER_ENCODING=coding, **environ).status == 200
    assert gate.seen[0]["wsgi.input"].read() == b"data"


def test_behind_nginx_the_length_counts() -> None:
    """R13: over the uwsgi protocol nginx has decoded the chunks and says how long they were."""
    gate = Gate(dechunked=True)

    assert post(gate, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="5").status == 200
    assert "HTTP_TRANSFER_ENCODING" not in gate.seen[0]
    assert post(gate, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH=str(2 * MIB)).status == 413
    assert post(gate, HTTP_TRANSFER_ENCODING="gzip", CONTENT_LENGTH="5").status == 501


# --- proxies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("name", NEVER)
def test_what_could_name_another_host_is_dropped(hops: int, name: str) -> None:
    """R1, R4: nothing behind the gate can follow these, whoever is in front."""
    gate = Gate(hops=hops)

    assert gate.ask(**{name: "evil.test"}).status == 200
    assert name not in gate.seen[0]


@pytest.mark.parametrize("name", ["HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"])
@pytest.mark.parametrize(
    ("hops", "value", "status", "kept"),
    [
        pytest.param(0, "a", 200, False, id="nobody in front: dropped"),
        pytest.param(0, "a, b, c", 200, False, id="nobody in front: dropped however many"),
        pytest.param(1, "a", 200, True, id="one for one"),
        pytest.param(1, "a, b", 400, False, id="two for one: one is the client's"),
        pytest.param(1, "a,", 400, False, id="an empty one counts"),
        pytest.param(2, "a, b", 200, True, id="two for two"),
        pytest.param(2, "a", 400, False, id="one for two: came around a proxy"),
        pytest.param(2, "a, b, c", 400, False, id="three for two"),
    ],
)
def test_forwarded_values_are_counted(
    name: str, hops: int, value: str, status: int, *, kept: bool
) -> None:
    """R2: exactly as many values as proxies, or the request is refused."""
    gate = Gate(hops=hops)

    assert gate.ask(**{name: value}).status == status
    assert [name in environ for environ in gate.seen] == ([kept] if status == 200 else [])


def test_uwsgis_scheme_is_not_the_clients() -> None:
    """R1: uWSGI believes X-Forwarded-Proto of anybody; only its own TLS, or nginx, counts."""
    gate = Gate()
    gate.ask(**{"uwsgi.version": b"2", "wsgi.url_scheme": "https"})
    gate.ask(**{"uwsgi.version": b"2", "wsgi.url_scheme": "https", "HTTPS": "on"})

    assert [environ["wsgi.url_scheme"] for environ in gate.seen] == ["http", "https"]


# --- anything -----------------------------------------------------------------------------------

WSGI_TEXT = st.text(st.characters(max_codepoint=255), max_size=30)


@given(WSGI_TEXT | WSGI_TEXT.map("/{}".format), WSGI_TEXT, WSGI_TEXT | st.just(DOMAIN))
@example("//", "", DOMAIN)
def test_what_passes_is_plain(path: str, query: str, host: str) -> None:
    """R10: of random requests those that pass have a UTF-8 path without controls or dot segments."""
    gate = Gate()
    answer = gate.ask(PATH_INFO=path, QUERY_STRING=query, HTTP_HOST=host)

    assert answer.status in {200, 400}
    for environ in gate.seen:
        decoded = environ["PATH_INFO"].encode("latin-1").decode("utf-8")
        assert decoded.startswith("/")
        assert not {".", ".."} & set(decoded.split("/"))
        assert "\\" not in decoded
        assert min(decoded) >= " "
        assert "\x7f" not in decoded + query
