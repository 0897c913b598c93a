"""Compressed answers: right for caches, for streams and against who measures them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, cast

import pytest

from tenantry.middleware.compression import LARGEST, SMALLEST, Compression
from tests.tenantry.support import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PAGE = b"<p>The same again and again.</p>" * 100
HTML = "text/html; charset=utf-8"


class Body:
    """A body that counts how often it is closed, and knows whether it was read by then."""

    def __init__(self, *chunks: bytes, fails: bool = False) -> None:
        self._chunks = chunks
        self._fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._fails:
            raise RuntimeError("the body broke")

    def close(self) -> None:
        self.closed += 1


def app_of(body: Body, *headers: tuple[str, str], status: str = "200 OK") -> WSGIApplication:
    """Return an app that answers with these headers and this body."""

    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, list(headers))
        return body

    return Compression(app)


def page(*headers: tuple[str, str], content: bytes = PAGE, **options: Any) -> WSGIApplication:
    """Return an app that answers with a page."""
    size = ("Content-Length", str(len(content)))
    return app_of(Body(content), ("Content-Type", HTML), size, *headers, **options)


def get(app: WSGIApplication, path: str = "/", **headers: str) -> Answer:
    """Ask as a browser does."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    options: dict[str, Any] = {
        "method": given.pop("method", "GET"),
        "data": given.pop("data", None),
    }
    return ask(app, path, headers={"Accept-Encoding": "gzip, deflate, br", **given}, **options)


def is_compressed(answer: Answer) -> bool:
    """Say whether it is; if it is, all that must go with it has to be there."""
    if "content-encoding" not in answer.headers:
        return False
    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    return True


def test_a_page_is_compressed() -> None:
    """Its length is the compressed one, and the same page has the same bytes each time."""
    answer = get(page())

    assert is_compressed(answer)
    assert gzip.decompress(answer.body) == PAGE
    assert answer.headers["content-length"] == str(len(answer.body))
    assert len(answer.body) < len(PAGE)
    assert get(page()).body == answer.body


@pytest.mark.parametrize(
    ("kind", "compressed"),
    [
        ("text/plain", True),
        ("application/json", True),
        ("application/problem+json", True),
        ("application/atom+xml; charset=utf-8", True),
        ("image/svg+xml", True),
        ("text/event-stream", False),
        ("image/png", False),
        ("application/zip", False),
        ("application/octet-stream", False),
    ],
)
def test_what_shrinks_is_compressed(kind: str, compressed: bool) -> None:  # noqa: FBT001
    """Text is; what is compressed already, and events that must not wait, are not."""
    app = app_of(Body(PAGE), ("Content-Type", kind), ("Content-Length", str(len(PAGE))))

    assert is_compressed(get(app)) is compressed


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(page(("Content-Encoding", "br")), id="encoded"),
        pytest.param(page(("Cache-Control", "public, no-transform")), id="no-transform"),
        pytest.param(page(("Accept-Ranges", "bytes")), id="ranges"),
        pytest.param(page(content=b"x" * (SMALLEST - 1)), id="small"),
        pytest.param(page(content=b"x" * (LARGEST + 1)), id="large"),
        pytest.param(page(status="206 Partial Content"), id="part"),
        pytest.param(page(status="404 Not Found"), id="error"),
        pytest.param(app_of(Body(PAGE), ("Content-Type", HTML)), id="stream"),
    ],
)
def test_some_answers_pass_as_they_are(app: WSGIApplication) -> None:
    """What is encoded, must not change, is a part, an error or a stream."""
    answer = get(app)

    assert answer.headers.get("content-encoding") in {None, "br"}
    assert "Accept-Encoding" not in answer.headers.get("vary", "")


def test_a_stream_is_not_held_back() -> None:
    """Each part of an answer without a length is sent when the app hands it out."""
    body = Body(b"one", b"two")
    app = app_of(body, ("Content-Type", HTML))
    environ = {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": "gzip"}

    assert app(environ, lambda *_: lambda _: None) is body


def test_a_late_start_passes() -> None:
    """An app may start its response only while its body is read (PEP 3333)."""

    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(PAGE)))])
        yield PAGE

    answer = get(Compression(app))
    assert (answer.status, answer.body) == (200, PAGE)
    assert not is_compressed(answer)


def test_what_is_written_comes_first() -> None:
    """The old ``write`` of PEP 3333 counts as the beginning of the body."""

    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        size = str(2 * len(PAGE))
        write = start_response("200 OK", [("Content-Type", HTML), ("Content-Length", size)])
        write(PAGE.lower())
        return [PAGE]

    assert gzip.decompress(get(Compression(app)).body) == PAGE.lower() + PAGE


def test_an_error_takes_the_place_of_a_page() -> None:
    """An app may start again with ``exc_info`` as long as nothing has gone out."""

    def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", HTML), ("Content-Length", str(len(PAGE)))])
        error, no_trace = RuntimeError("changed its mind"), cast("TracebackType", None)
        start_response("500 Oh", [("Content-Type", "text/plain")], (type(error), error, no_trace))
        return [b"sorry"]

    answer = get(Compression(app))
    assert (answer.status, answer.body) == (500, b"sorry")


@pytest.mark.parametrize("fails", [False, True])
def test_a_body_is_closed_once(fails: bool) -> None:  # noqa: FBT001
    """The app's body ends when the server closes ours, or at once if reading it fails."""
    body = Body(PAGE, fails=fails)
    size = ("Content-Length", str(len(PAGE)))
    app = app_of(body, ("Content-Type", HTML), size)
    environ = {"REQUEST_METHOD": "GET", "HTTP_ACCEPT_ENCODING": "gzip"}
    if fails:
        with pytest.raises(RuntimeError, match="the body broke"):
            app(environ, lambda *_: lambda _: None)
    else:
        sent = app(environ, lambda *_: lambda _: None)
        list(sent)
        assert body.closed == 0
        sent.close()  # type: ignore[attr-defined]
    assert body.closed == 1


def test_an_etag_becomes_weak() -> None:
    """Two encodings are two sets of bytes, which a strong ETag would call the same."""
    assert get(page(("ETag", '"abc"'))).headers["etag"] == 'W/"abc"'
    assert get(page(("ETag", 'W/"abc"'))).headers["etag"] == 'W/"abc"'
    unchanged = get(app_of(Body(), ("ETag", '"abc"'), status="304 Not Modified"))
    assert (unchanged.status, unchanged.headers["etag"]) == (304, 'W/"abc"')
    assert unchanged.headers["vary"] == "Accept-Encoding"


def test_vary_is_added_to() -> None:
    """Caches keep what the app said about cookies, too."""
    answer = get(page(("Vary", "Cookie"), ("Vary", "Accept")))
    assert answer.headers["vary"] == "Cookie, Accept, Accept-Encoding"
    assert get(page(("Vary", "accept-encoding"))).headers["vary"] == "accept-encoding"


def test_head_has_no_length_of_another_encoding() -> None:
    """HEAD says how GET would be encoded, and leaves out the length that nobody worked out."""
    app = app_of(Body(), ("Content-Type", HTML), ("Content-Length", str(len(PAGE))))
    answer = get(app, method="HEAD")

    assert is_compressed(answer)
    assert answer.body == b""
    assert "content-length" not in answer.headers


CREDENTIALS = [{"Cookie": "session=x"}, {"Authorization": "Bearer x"}]


@pytest.mark.parametrize("credentials", CREDENTIALS, ids=["cookie", "bearer"])
def test_words_beside_a_secret_are_not_compressed(credentials: dict[str, str]) -> None:
    """The length must not tell how well words of the request fit a secret (BREACH)."""
    assert is_compressed(get(page(), "/?search=abc"))
    assert is_compressed(get(page(), "/", **credentials))
    assert not is_compressed(get(page(), "/?search=abc", **credentials))
    assert not is_compressed(get(page(), method="POST", data="search=abc", **credentials))
    chunked = {"Transfer-Encoding": "chunked"}
    assert not is_compressed(get(page(), "/", **credentials, **chunked))
