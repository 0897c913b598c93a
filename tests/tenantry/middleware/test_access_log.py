"""The access log: one line of JSON for each request, whatever the client sends."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.databases.sqlite_file import SiteDatabase
from tenantry.dispatch import Pages
from tenantry.environ import DEBUGGER
from tenantry.middleware.access_log import AccessLog
from tenantry.resources.traffic import CLASSES, ERRORS
from tenantry.resources.usage import SPENT, Ledger, Usage
from tenantry.security.keys import new_token
from tests.conftest import DOMAIN
from tests.disk import small_disk
from tests.tenantry.support import a_tenant, ask, hello, make_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tests.tenantry.door import Door

PAGES = Pages(f"http://{DOMAIN}/")


class Log:
    """An access log into a file, and its lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.app: WSGIApplication = hello("app")
        self.log = AccessLog(self._call, str(path), pages=PAGES)

    def _call(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self.app(environ, start_response)

    def lines(self) -> list[dict[str, Any]]:
        text = self.path.read_bytes()
        assert text.isascii()
        assert text.endswith(b"\n") or not text
        return [json.loads(line) for line in text.decode().splitlines()]

    def line(self, **environ: Any) -> dict[str, Any]:
        ask(self.log, environ=environ)
        return self.lines()[-1]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    before = os.umask(0o022)  # a command that ran in this process has set its own
    yield Log(tmp_path / "access.log")
    os.umask(before)


def test_a_line_says_what_happened(log: Log) -> None:
    """Who asked for what, where, and what came of it."""
    tenant = a_tenant()
    line = log.line(
        PATH_INFO="/a",
        QUERY_STRING="secret=1",
        HTTP_USER_AGENT="curl",
        REMOTE_ADDR="192.0.2.7",
        HTTP_HOST="acme.example.test",
        **{"tenantry.tenant": tenant},
    )

    assert set(line) == {
        "at", "event", "id", "tenant", "host", "method", "path", "status", "bytes", "ms", "ip", "agent"
    }  # fmt: skip
    assert (line["event"], line["tenant"], line["host"]) == (
        "request",
        tenant.id,
        "acme.example.test",
    )
    assert (line["method"], line["path"], line["status"]) == ("GET", "/a", 200)
    assert (line["bytes"], line["ip"], line["agent"]) == (len("app||/a"), "192.0.2.7", "curl")
    assert line["at"].endswith("Z")
    assert log.path.stat().st_mode & 0o777 == 0o640


HOSTILE = st.text(st.characters(max_codepoint=255), max_size=30) | st.sampled_from(
    ['"', '\\"}\n{"event":"forged"}', "\x1b[2J", "\xff\xfe", "\r\n", "\x00", "\u2028", "%s {}"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(host=HOSTILE, path=HOSTILE, agent=HOSTILE, method=HOSTILE, address=HOSTILE, given_id=HOSTILE)
def test_every_line_is_json(log: Log, host: str, path: str, **hostile: str) -> None:
    """R56: quotes, escapes, line ends and broken bytes stay inside their string."""
    before = len(log.lines())
    line = log.line(
        HTTP_HOST=host,
        PATH_INFO=path,
        HTTP_USER_AGENT=hostile["agent"],
        REQUEST_METHOD=hostile["method"],
        REMOTE_ADDR=hostile["address"],
        HTTP_X_REQUEST_ID=hostile["given_id"],
    )

    assert len(log.lines()) == before + 1
    assert (line["host"], line["agent"]) == (host, hostile["agent"])


@pytest.mark.parametrize(
    ("status", "logged"),
    [
        ("404 Not Found", 404),
        ("200", 200),
        ("Teapot", 0),
        ("007 James", 7),
        ("\xb2\xb2\xb2 x", 0),
        ("", 0),
    ],
)
def test_an_apps_strange_status_is_still_json(log: Log, status: str, logged: int) -> None:
    """R56: what a site's app calls its status cannot break the line either."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [])
        return []

    log.app = app
    body = log.log(make_environ(), lambda *_: lambda _: None)
    body.close()  # type: ignore[attr-defined]

    assert log.lines()[-1]["status"] == logged


def test_a_line_is_written_in_one_piece(log: Log) -> None:
    """R56: workers share the pipe; up to PIPE_BUF bytes no line is cut by another's (POSIX)."""
    for filler in ("x", "\x00", "\xff", '"'):
        log.line(
            HTTP_HOST=filler * 9000,
            PATH_INFO="/" + filler * 9000,
            SCRIPT_NAME=filler * 9000,
            HTTP_USER_AGENT=filler * 9000,
            REQUEST_METHOD=filler * 9000,
        )

    assert max(len(line) for line in log.path.read_bytes().splitlines()) < select.PIPE_BUF


@pytest.mark.parametrize("path", ["/enter/{}", "/members/enter/{}/", "/a/{}/b/{}", "/{}"])
def test_tokens_are_not_logged(log: Log, path: str) -> None:
    """R56: a one-use link in a log would be a key in a log; the query is not logged at all."""
    token = new_token()
    line = log.line(PATH_INFO=path.format(token, token), QUERY_STRING=f"token={token}")

    assert token not in json.dumps(line)
    assert line["path"] == path.format("[token]", "[token]")


def test_a_short_path_is_kept(log: Log) -> None:
    """Ordinary addresses are readable."""
    path = "/posts/how-we-moved/comments/17"
    assert log.line(PATH_INFO=path)["path"] == path


def test_a_mounted_app_is_logged_with_its_mount(log: Log) -> None:
    """The path is the visitor's, not what was left of it for the app."""
    assert log.line(SCRIPT_NAME="/backend", PATH_INFO="/x")["path"] == "/backend/x"


def test_an_error_is_answered_and_logged(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    """An exception of the platform is a 500 with an id, never a traceback."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise RuntimeError("secret detail")

    log.app = app
    answer = ask(log.log)

    assert answer.status == 500
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text
    assert log.lines()[-1]["status"] == 500


def test_a_body_that_breaks_is_logged(log: Log) -> None:
    """The line comes when the server closes the body, whatever happened before."""

    def pieces() -> Iterator[bytes]:
        yield b"abc"
        raise RuntimeError("in the middle")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return pieces()

    log.app = app
    with pytest.raises(RuntimeError, match="in the middle"):
        ask(log.log)

    assert (log.lines()[-1]["status"], log.lines()[-1]["bytes"]) == (200, 3)


def test_a_log_that_cannot_be_written_costs_no_answer(
    log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 8: a full disk is a warning, not an outage."""
    full = os.open("/dev/full", os.O_WRONLY)
    usual, log.log._descriptor = log.log._descriptor, full
    try:
        for _ in range(3):
            assert ask(log.log).status == 200
    finally:
        log.log._descriptor = usual
        os.close(full)

    assert caplog.text.count("cannot be written") == 1, "the other log may be on the same disk"


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path: Path) -> None:
    """Where a disk had room for half a line, the next one begins anew."""
    with small_disk(tmp_path / "disk", megabytes=1) as disk:
        # The disk gives room by the page: in this one there is some left.
        (disk.path / "access").write_bytes(b"x" * 3999 + b"\n")
        access = AccessLog(hello("app"), str(disk.path / "access"), pages=PAGES)
        with disk.full():
            ask(access)
        ask(access)
        *_, cut, last = (disk.path / "access").read_text().splitlines()
        assert not cut.endswith("}")
        assert json.loads(last)["status"] == 200


def test_the_log_can_be_off() -> None:
    """TENANTRY_ACCESS_LOG=off writes nothing."""
    assert ask(AccessLog(hello("app"), "off", pages=PAGES)).status == 200


def test_the_log_can_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    """By default the lines go where the server's supervisor collects them."""
    ask(AccessLog(hello("app"), "stderr", pages=PAGES))

    assert json.loads(capfd.readouterr().err)["status"] == 200


def test_refused_requests_are_logged_too(make_door: Callable[..., Door], tmp_path: Path) -> None:
    """R56: the log stands before the gate, and knows the tenant that the dispatcher found."""
    path = tmp_path / "door.log"
    door = make_door(access_log=str(path))
    acme = door.add("acme")
    door.ask("/", "acme")
    door.ask(host="a b")
    door.ask("/-/health")
    lines = [json.loads(line) for line in path.read_text().splitlines()]

    assert [(line["tenant"], line["status"]) for line in lines] == [(acme.id, 200), (None, 400)]


# --- the ledger ---------------------------------------------------------------------------------


def account(ledger: Ledger) -> list[tuple[str, int]]:
    """Return who has been counted how often."""
    return [(usage.slug, usage.requests) for _, usage in ledger.top("requests", 100)]


def counting(app: WSGIApplication) -> tuple[AccessLog, Ledger]:
    """Return the app behind a log that writes nothing and counts."""
    ledger = Ledger()
    return AccessLog(app, "off", pages=PAGES, ledger=ledger), ledger


def one(ledger: Ledger) -> Usage:
    ((_, usage),) = ledger.top("requests", 100)
    return usage


def with_tenant() -> dict[str, Any]:
    return {"tenantry.tenant": a_tenant()}


@pytest.mark.parametrize(
    ("status", "failed"), [("200 OK", 0), ("404 NOT FOUND", 0), ("503 Busy", 1)]
)
def test_requests_and_failures_are_counted_for_the_figures(status: str, failed: int) -> None:
    """A failure is the server's, not the visitor's."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [])
        return [b""]

    logged, ledger = counting(app)
    ask(logged, "/", environ=with_tenant())
    ((counts),) = ledger.take().values()
    assert sum(counts[:CLASSES]) == 1
    assert counts[ERRORS] == failed


def test_what_a_request_costs_is_added_up() -> None:
    """A busy page costs processor time, a sleeping one only waits, and both take their time."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.thread_time()
        if environ["PATH_INFO"] == "/busy":
            while time.thread_time() - started < 0.05:
                pass
        else:
            time.sleep(0.05)
        start_response("200 OK", [])
        return [b""]

    busy_app, busy = counting(app)
    ask(busy_app, "/busy", environ=with_tenant())
    lazy_app, lazy = counting(app)
    ask(lazy_app, "/", environ=with_tenant())

    assert one(busy).cpu >= 0.05
    assert one(busy).wall >= one(busy).cpu * 0.9
    assert one(lazy).wall >= 0.05
    assert one(lazy).cpu < 0.03
    assert one(busy).database == one(lazy).database == 0.0


def test_the_body_is_part_of_the_cost() -> None:
    """A page that is made while it is sent is counted to its end."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])

        def pieces() -> Iterator[bytes]:
            started = time.thread_time()
            while time.thread_time() - started < 0.03:
                pass
            SPENT.database += 2.0
            yield b"a"

        return pieces()

    app_, ledger = counting(app)
    ask(app_, environ=with_tenant())

    assert one(ledger).cpu >= 0.03
    assert one(ledger).database == pytest.approx(2.0)


def test_database_time_is_counted_by_request() -> None:
    """What the thread has spent before belongs to others."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        SPENT.database += 0.25
        start_response("200 OK", [])
        return [b""]

    SPENT.database += 100.0
    app_, ledger = counting(app)
    for _ in range(3):
        ask(app_, environ=with_tenant())

    assert one(ledger).requests == 3
    assert one(ledger).database == pytest.approx(0.75)


def test_a_real_statement_is_database_time(tmp_path: Path) -> None:
    """An engine that is confined to a site's file tells what its statements took."""
    database = SiteDatabase(tmp_path / "site.sqlite3")
    database.create()
    engine = database.open_engine()
    slow = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) "
        "SELECT sum(x) FROM n"
    )

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with engine.connect() as connection:
            connection.exec_driver_sql(slow).scalar()
        start_response("200 OK", [])
        return [b""]

    app_, ledger = counting(app)
    ask(app_, environ=with_tenant())
    engine.dispose()

    assert 0.005 < one(ledger).database <= one(ledger).wall


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Internal Server Error"])
def test_whatever_the_answer_the_tenant_is_counted(status: str) -> None:
    """An error page of a site costs as much as any other."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [])
        return [b""]

    app_, ledger = counting(app)
    ask(app_, environ=with_tenant())

    assert account(ledger) == [("acme", 1)]


def test_a_request_that_breaks_is_counted() -> None:
    """So is one whose app raises, at once or in the middle."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/":
            raise RuntimeError("at once")
        start_response("200 OK", [])

        def pieces() -> Iterator[bytes]:
            yield b"a"
            raise RuntimeError("in the middle")

        return pieces()

    app_, ledger = counting(app)
    assert ask(app_, "/", environ=with_tenant()).status == 500
    with pytest.raises(RuntimeError, match="in the middle"):
        ask(app_, "/stream", environ=with_tenant())

    assert account(ledger) == [("acme", 2)]


def test_the_door_counts_tenants_and_nobody_else(make_door: Callable[..., Door]) -> None:
    """Law 6: what the front door refuses without knowing a tenant leaves no entry anywhere."""
    door = make_door()
    door.add("acme")
    door.add("bolt", state="suspended")
    for _ in range(3):
        assert door.ask("/", "acme").status == 200
    assert door.ask("/backend/", "acme").status == 200
    assert door.ask("/", "bolt").status == 403
    for number in range(20):
        door.ask("/", f"nobody{number}")
        door.ask("/", host=f"random{number}.example.org")
    door.ask("/", host="a b")
    door.ask("/")
    door.ask("/-/health")

    assert account(door.ledger) == [("acme", 4), ("bolt", 1)]


@pytest.mark.parametrize("size", [0, 5])
def test_uwsgi_is_not_handed_an_exception(log: Log, size: int) -> None:
    """It cannot take one. A head that is not sent is replaced; if it is sent, the exception goes on."""
    heads: list[str] = []

    def start_response(status: str, _headers: Any, exc_info: Any = None, /) -> Any:
        assert exc_info is None
        heads.append(status)

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
        start("200 OK", [])
        yield b"x" * size
        try:
            int("half-way")
        except ValueError:
            start("500 Internal Server Error", [], sys.exc_info())
        yield b"sorry"

    log.app = app
    body = iter(log.log(make_environ(environ={"uwsgi.version": b"2"}), start_response))
    assert next(body) == b"x" * size
    if size:
        with pytest.raises(ValueError, match="half-way"):
            next(body)
        assert heads == ["200 OK"]
    else:
        assert next(body) == b"sorry"
        assert heads == ["200 OK", "500 Internal Server Error"]


@pytest.mark.parametrize("fails", [True, False])
def test_a_thread_is_busy_until_its_response_is_closed(*, fails: bool) -> None:
    """A surplus request makes way only where every thread is in a request."""
    busy: set[int] = set()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert busy == {threading.get_ident()}
        if fails:
            raise ValueError("as apps do")
        return hello("app")(environ, start_response)

    access: WSGIApplication = AccessLog(app, "off", pages=PAGES, busy=busy)
    body: Any = access(make_environ(), lambda *_: lambda _: None)
    assert busy == {threading.get_ident()}
    body.close()
    assert busy == set()
    if fails:
        with pytest.raises(ValueError, match="as apps do"):
            access(make_environ(environ={DEBUGGER: True}), lambda *_: lambda _: None)
        assert busy == set()
