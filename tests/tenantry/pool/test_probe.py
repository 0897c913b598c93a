"""A new instance's first request, made up."""

from __future__ import annotations

import itertools
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, request, session
from werkzeug.wrappers import Request

from tenantry.errors import ProbeError
from tenantry.pool import probe as module
from tenantry.pool.probe import MAX_BYTES, Probe
from tests.tenantry.support import a_tenant, ask, hello

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.settings import Settings

ACME = a_tenant("acme")
HOSTED = a_tenant("acme", hosts=("www.acme.org", "acme.net"))


class Body:
    """A response body that notes how far it was read and how often it was closed."""

    def __init__(self, chunks: Iterable[bytes], *, fails: bool = False) -> None:
        self.chunks = chunks
        self.fails = fails
        self.read = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.read += len(chunk)
            yield chunk

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise OSError("cannot close")


def answering(status: str, body: Iterable[bytes] = ()) -> WSGIApplication:
    """Return an app that answers with *status*."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/html")])
        return body

    return app


@pytest.fixture
def probe(settings: Settings) -> Probe:
    return Probe(settings)


def seen_by(probe: Probe, tenant: Any = ACME) -> WSGIEnvironment:
    """Return what an app was asked with."""
    seen: list[WSGIEnvironment] = []
    probe(hello("site", seen), tenant)
    (environ,) = seen
    return environ


# --- the request --------------------------------------------------------------------------------


def test_it_asks_for_the_front_page_as_a_browser_would(probe: Probe) -> None:
    """Method, path, host and scheme are those of a visitor; nothing comes with it."""
    environ = seen_by(probe)
    asked = Request(environ)

    assert (asked.method, asked.path, asked.root_path) == ("GET", "/", "")
    assert asked.url == "http://acme.example.test/"
    assert asked.headers["Accept"] == "text/html"
    assert (asked.args.to_dict(), asked.get_data(), dict(asked.cookies)) == ({}, b"", {})
    assert environ["REQUEST_URI"] == "/"
    assert environ["wsgi.errors"] is sys.stderr


def test_it_is_marked(probe: Probe) -> None:
    """An app that counts its visitors can leave it out, and the log can tell it."""
    first, second = seen_by(probe), seen_by(probe)

    assert first["tenantry.probe"] is True
    assert first["tenantry.tenant"] is ACME
    assert len(first["tenantry.request_id"]) == 32
    assert first["tenantry.request_id"] != second["tenantry.request_id"]


@pytest.mark.parametrize(
    ("overrides", "tenant", "url", "port"),
    [
        pytest.param({}, ACME, "http://acme.example.test/", "80", id="http"),
        pytest.param(
            {"base_url": "https://example.test"},
            ACME,
            "https://acme.example.test/",
            "443",
            id="https",
        ),
        pytest.param(
            {"base_url": "https://example.test:8443"},
            ACME,
            "https://acme.example.test:8443/",
            "8443",
            id="a port",
        ),
        pytest.param(
            {"base_url": "https://example.test"},
            HOSTED,
            "https://www.acme.org/",
            "443",
            id="its own host",
        ),
        pytest.param(
            {"routing": "path", "allow_shared_origin": True},
            HOSTED,
            "http://example.test/sites/acme/",
            "80",
            id="path mode",
        ),
    ],
)
def test_it_comes_by_the_sites_own_address(
    make_settings: Callable[..., Settings],
    overrides: dict[str, Any],
    tenant: Any,
    url: str,
    port: str,
) -> None:
    """Links and cookies that the app makes for it are those that visitors will get."""
    settings = make_settings(**overrides)
    environ = seen_by(Probe(settings), tenant)
    asked = Request(environ)

    assert asked.url == url == settings.site_url(tenant)
    assert environ["SERVER_PORT"] == port
    assert environ["PATH_INFO"] == "/"
    assert environ["SCRIPT_NAME"] == asked.root_path == url.split(asked.host)[1].rstrip("/")
    assert environ["REQUEST_URI"] == environ["SCRIPT_NAME"] + "/"


# --- the answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", ["200 OK", "204 No Content", "302 Found", "401 Unauthorized", "404 Not Found"]
)
def test_an_answer_is_an_answer(probe: Probe, status: str) -> None:
    """A site that redirects, hides or has no front page works all the same."""
    body = Body([b"hello"])
    probe(answering(status, body), ACME)

    assert (body.read, body.closed) == (5, 1)


@pytest.mark.parametrize(
    "status", ["500 Internal Server Error", "503 Service Unavailable", "599", "broken", ""]
)
def test_a_server_error_fails(probe: Probe, status: str) -> None:
    """What says itself that it does not work is not fit to serve."""
    body = Body([b"sorry"])
    with pytest.raises(ProbeError) as caught:
        probe(answering(status, body), ACME)

    assert (caught.value.slug, caught.value.answer) == ("acme", status)
    assert "'acme'" in str(caught.value)
    assert body.closed == 1


def test_an_app_that_says_nothing_fails(probe: Probe) -> None:
    """Without a status there is no answer."""
    with pytest.raises(ProbeError, match="no status"):
        probe(lambda _environ, _start: [b"hello"], ACME)


def test_what_the_app_raises_comes_out(probe: Probe) -> None:
    """The operator reads the app's own words."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise KeyError("theme")

    with pytest.raises(KeyError, match="theme"):
        probe(app, ACME)


def test_an_error_in_the_body_comes_out(probe: Probe) -> None:
    """A page that breaks in the middle is broken; its body is closed all the same."""

    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise RuntimeError("in the middle")

    body = Body(pieces())
    with pytest.raises(RuntimeError, match="in the middle"):
        probe(answering("200 OK", body), ACME)

    assert body.closed == 1


def test_a_failing_close_comes_out(probe: Probe) -> None:
    """What cannot end its first request leaks with each of them."""
    with pytest.raises(OSError, match="cannot close"):
        probe(answering("200 OK", Body([b"a"], fails=True)), ACME)


def test_a_status_may_come_with_the_first_piece(probe: Probe) -> None:
    """PEP 3333 lets an app say its status only when its body is asked for."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("500 Internal Server Error", [])
        yield b"sorry"

    with pytest.raises(ProbeError):
        probe(app, ACME)


def test_an_error_told_to_the_server_comes_out(probe: Probe) -> None:
    """PEP 3333: an app hands an exception over with start_response; here it is what failed."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            raise ValueError("no such theme")  # noqa: TRY301 - as an app's error handler does it
        except ValueError:
            start_response("200 OK", [], sys.exc_info())
        return [b"an error page"]

    with pytest.raises(ValueError, match="no such theme"):
        probe(app, ACME)


def test_an_app_may_write(probe: Probe) -> None:
    """PEP 3333 gives old apps a function to write with."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])(b"hello")
        return []

    probe(app, ACME)


# --- its end ------------------------------------------------------------------------------------


def test_a_page_without_end_is_left(probe: Probe) -> None:
    """After so many bytes a page has proved that it works."""
    body = Body(itertools.repeat(b"x" * 65_536))
    probe(answering("200 OK", body), ACME)

    assert MAX_BYTES < body.read <= MAX_BYTES + 65_536
    assert body.closed == 1


def test_a_page_in_drops_is_left(probe: Probe) -> None:
    """A stream of events that never comes to a megabyte does not keep the change waiting."""

    def drops() -> Iterator[bytes]:
        while True:
            time.sleep(0.01)
            yield b""

    body = Body(drops())
    started = time.perf_counter()
    probe(answering("200 OK", body), ACME)

    assert body.closed == 1
    assert time.perf_counter() - started < module.MAX_SECONDS * 3


# --- Flask --------------------------------------------------------------------------------------


def flask_app() -> Flask:
    app = Flask("site")
    app.secret_key = "not so secret"

    @app.get("/")
    def index() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']} to {request.url}"

    @app.get("/error")
    def error() -> str:
        raise RuntimeError("a bug in a view")

    return app


def test_a_flask_app_is_probed(probe: Probe) -> None:
    """An ordinary app answers an ordinary request."""
    probe(flask_app(), ACME)


def test_a_flask_app_with_a_broken_front_page_fails(probe: Probe) -> None:
    """Flask turns the view's exception into a 500."""
    app = flask_app()
    app.view_functions["index"] = app.view_functions["error"]
    with pytest.raises(ProbeError) as caught:
        probe(app, ACME)

    assert caught.value.answer.startswith("500")


def test_the_session_of_a_probe_is_nobodys(probe: Probe) -> None:
    """The cookie that it is given goes nowhere: the first visitor begins with an empty session."""
    app = flask_app()
    for _ in range(3):
        probe(app, ACME)
    answer = ask(app, "/", "acme.example.test")

    assert answer.text == "visit 1 to http://acme.example.test/"
