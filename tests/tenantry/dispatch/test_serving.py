"""Leases: taken for each request, given back on every path out of it."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from flask import Flask, stream_with_context
from flask import Response as FlaskResponse
from werkzeug.wsgi import FileWrapper

from tenantry.catalog import SYSTEM
from tenantry.errors import RateLimitError, SiteMovingError
from tests.conftest import eventually
from tests.tenantry.support import ask, crowded, make_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.values.tenant import Tenant
    from tests.tenantry.door import Door

    MakeDoor = Callable[..., Door]


class Body:
    """A response body that notes what the server does with it, and can go wrong."""

    def __init__(self, pieces: Iterable[bytes], *, fails: BaseException | None = None) -> None:
        self.pieces = pieces
        self.fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise self.fails


def app_of(body: Callable[[], Iterable[bytes]]) -> Callable[[Tenant], WSGIApplication]:
    """Return a factory of plain WSGI apps that answer with *body*."""

    def build(_: Tenant) -> WSGIApplication:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return body()

        return app

    return build


def leases(door: Door) -> int:
    return door.pool.stats().leases


def test_a_lease_lasts_until_the_body_is_closed(make_door: MakeDoor) -> None:
    """Law 5: the instance is in use while the server still sends, and free right after."""
    door = make_door(build=app_of(lambda: [b"a", b"b"]))
    door.add("acme")
    body = door.app(make_environ(host="acme.example.test"), lambda *_: lambda _: None)
    assert leases(door) == 1
    assert b"".join(body) == b"ab"
    assert leases(door) == 1
    body.close()  # type: ignore[attr-defined]
    assert leases(door) == 0
    body.close()  # type: ignore[attr-defined]
    assert leases(door) == 0


def test_a_client_that_leaves_gives_the_lease_back(make_door: MakeDoor) -> None:
    """Law 5: closed without a single piece read, or in the middle."""
    made: list[Body] = []

    def body() -> Body:
        made.append(Body([b"a", b"b", b"c"]))
        return made[-1]

    door = make_door(build=app_of(body))
    door.add("acme")
    for reads in range(3):
        answer = door.app(make_environ(host="acme.example.test"), lambda *_: lambda _: None)
        pieces = iter(answer)
        for _ in range(reads):
            next(pieces)
        answer.close()  # type: ignore[attr-defined]
        assert leases(door) == 0
    assert [body.closed for body in made] == [1, 1, 1]


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(1), GeneratorExit()], ids=repr)
def test_a_failing_close_gives_the_lease_back(make_door: MakeDoor, error: BaseException) -> None:
    """Law 5: an app whose close() raises keeps nothing."""
    door = make_door(build=app_of(lambda: Body([b"a"], fails=error)))
    door.add("acme")
    with pytest.raises(type(error)):
        door.ask("/", "acme")

    assert leases(door) == 0


def test_an_error_in_the_body_gives_the_lease_back(make_door: MakeDoor) -> None:
    """Law 5: a generator that breaks in the middle ends the response and the lease."""

    def body() -> Iterator[bytes]:
        yield b"a"
        raise RuntimeError("in the middle")

    door = make_door(build=app_of(body))
    door.add("acme")
    with pytest.raises(RuntimeError, match="in the middle"):
        door.ask("/", "acme")

    assert leases(door) == 0


@pytest.mark.parametrize("started", [False, True], ids=["before the headers", "after the headers"])
def test_an_app_that_raises_is_answered(
    make_door: MakeDoor, caplog: pytest.LogCaptureFixture, *, started: bool
) -> None:
    """Law 5: the visitor gets a 500 with an id, the log the traceback, the pool its lease."""

    def build(_: Tenant) -> WSGIApplication:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if started:
                start_response("200 OK", [])
            raise RuntimeError("secret detail")

        return app

    door = make_door(build=build)
    door.add("acme")
    answer = door.ask("/", "acme")

    assert (answer.status, leases(door)) == (500, 0)
    assert "secret detail" not in answer.text
    assert "secret detail" in caplog.text
    record = next(record for record in caplog.records if "raised" in record.getMessage())
    assert record.getMessage().rpartition(" ")[2] in answer.text


def test_a_site_that_is_being_moved_is_503(make_door: MakeDoor) -> None:
    """An app that lets the database's refusal out has nothing to be ashamed of."""

    def refuse() -> NoReturn:
        raise SiteMovingError

    door = make_door(build=app_of(refuse))
    door.add("acme")
    answer = door.ask("/", "acme")
    assert (answer.status, answer.headers["retry-after"], leases(door)) == (503, "1", 0)
    assert "is being moved" in answer.text


def test_an_app_that_leaves_the_process_gives_the_lease_back(make_door: MakeDoor) -> None:
    """Law 5: what the server has to see goes on to it, without the lease."""

    def build(_: Tenant) -> WSGIApplication:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            raise SystemExit(1)

        return app

    door = make_door(build=build)
    door.add("acme")
    with pytest.raises(SystemExit):
        door.ask("/", "acme")

    assert leases(door) == 0


@pytest.mark.parametrize("wrong", [None, 5, iter(())], ids=["nothing", "a number", "an iterator"])
def test_what_is_no_body_gives_the_lease_back(make_door: MakeDoor, wrong: Any) -> None:
    """Law 5: an app that returns something strange breaks its own response only."""
    door = make_door(build=app_of(lambda: wrong))
    door.add("acme")
    with contextlib.suppress(TypeError):
        door.ask("/", "acme")

    assert leases(door) == 0


def flask_app(_: Tenant) -> Flask:
    """Build a Flask app as people bring it, which knows nothing of us."""
    app = Flask("unmodified")

    @app.get("/")
    def index() -> str:
        return "hello"

    @app.get("/stream")
    def stream() -> FlaskResponse:
        return FlaskResponse(stream_with_context(str(number) for number in range(3)))

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("a bug in a view")

    @app.get("/broken-stream")
    def broken_stream() -> FlaskResponse:
        def pieces() -> Iterator[str]:
            yield "a"
            raise RuntimeError("a bug in a stream")

        return FlaskResponse(pieces())

    @app.teardown_request
    def tear_down(error: BaseException | None) -> None:
        if error is not None and "stream" in str(error):
            raise RuntimeError("a bug in a teardown")

    return app


def test_an_unmodified_flask_app_just_works(make_door: MakeDoor) -> None:
    """Law 5: pages, HEAD, streams, errors and 404s of a plain app, and no lease left over."""
    door = make_door(build=flask_app)
    door.add("acme")

    assert door.ask("/", "acme").text == "hello"
    head = door.ask("/", "acme", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "5")
    assert door.ask("/stream", "acme").text == "012"
    assert door.ask("/broken", "acme").status == 500
    assert door.ask("/nothing", "acme").status == 404
    with pytest.raises(RuntimeError, match="in a stream"):
        door.ask("/broken-stream", "acme")
    assert leases(door) == 0
    assert door.built == ["acme"]


def test_the_servers_file_wrapper_is_kept_away(make_door: MakeDoor) -> None:
    """Law 5: a file that the server sends past us would outlive its lease."""
    seen: list[Any] = []

    def build(_: Tenant) -> WSGIApplication:
        def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            seen.append(environ.get("wsgi.file_wrapper"))
            start_response("200 OK", [])
            return [b""]

        return app

    door = make_door(build=build)
    door.add("acme")
    door.ask("/", "acme", environ={"wsgi.file_wrapper": iter})

    assert seen == [FileWrapper]


def test_a_failing_factory_is_503_with_an_id(
    make_door: MakeDoor, caplog: pytest.LogCaptureFixture
) -> None:
    """Law 3, 8: visitors learn when to come back and what to ask about, never why."""

    def build(tenant: Tenant) -> WSGIApplication:
        raise RuntimeError("secret detail")

    door = make_door(build=build)
    door.add("acme")
    answers = [door.ask("/", "acme") for _ in range(4)]
    errors = {
        record.getMessage().split("error ")[1][:8]
        for record in caplog.records
        if "building" in record.getMessage()
    }

    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert all("secret detail" not in answer.text for answer in answers)
    assert len(errors) == 1
    assert all(errors.pop() in answer.text for answer in answers[:1])
    assert door.built == ["acme"]


def test_a_full_pool_is_503(make_door: MakeDoor) -> None:
    """Law 6: with every instance in use a further site is told to wait."""
    door = make_door(pool={"max_instances": 1, "build_seconds": 1})
    door.add("acme")
    door.add("bolt")
    body = door.app(make_environ(host="acme.example.test"), lambda *_: lambda _: None)
    refused = door.ask("/", "bolt")
    body.close()  # type: ignore[attr-defined]

    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert door.ask("/", "bolt").status == 200


def test_a_hanging_site_stops_no_other(make_door: MakeDoor) -> None:
    """Law 4: while one site's build hangs, its visitors get 503 and the next site its page."""
    go_on = threading.Event()

    def build(tenant: Tenant) -> WSGIApplication:
        if tenant.slug == "acme":
            assert go_on.wait(30)
        return flask_app(tenant)

    door = make_door(build=build, pool={"build_seconds": 0.05})
    door.add("acme")
    door.add("bolt")
    try:
        slow = door.ask("/", "acme")
        assert (slow.status, slow.headers["retry-after"]) == (503, "5")
        assert door.ask("/", "bolt").text == "hello"
        assert door.ask("/", "acme").status == 503
    finally:
        go_on.set()
    eventually(lambda: door.pool.stats().builds_running == 0)
    assert door.ask("/", "acme").text == "hello"
    assert sorted(door.built) == ["acme", "bolt"]


def test_a_changed_site_is_rebuilt_for_its_next_visitor(make_door: MakeDoor) -> None:
    """Law 7: settings reach the site at the next request; who is on the page stays on the old one."""
    from tenantry.catalog import SYSTEM

    door = make_door(build=lambda tenant: app_of(lambda: [tenant.name.encode()])(tenant))
    tenant = door.add("acme")
    old = door.app(make_environ(host="acme.example.test"), lambda *_: lambda _: None)
    door.catalog.tenants.configure(tenant.id, name="Acme 2", by=SYSTEM)

    assert ask(door.app, "/", "acme.example.test").text == "Acme 2"
    assert b"".join(old) == b"Acme"
    old.close()  # type: ignore[attr-defined]
    assert door.built == ["acme", "acme"]
    assert door.pool.stats().disposals == 1


# --- more visitors than it may have -------------------------------------------------------------


def refuse(tenant: Tenant) -> int:
    raise RateLimitError(tenant.slug, 7)


def test_a_busy_site_is_503(make_door: MakeDoor, caplog: pytest.LogCaptureFixture) -> None:
    """Who comes when a site has its whole share of the threads learns when to come back."""
    door = make_door(pool={"max_in_flight": lambda _: 1, "listeners": crowded()})
    door.add("acme")
    door.add("bolt")
    body = door.app(make_environ(host="acme.example.test"), lambda *_: lambda _: None)
    page = door.ask("/", "acme", headers={"Accept": "text/html"})
    problem = door.ask("/", "acme", headers={"Accept": "application/json"})
    neighbour = door.ask("/", "bolt")
    body.close()  # type: ignore[attr-defined]

    assert (page.status, page.headers["retry-after"]) == (503, "1")
    assert page.headers["content-type"].startswith("text/html")
    assert "very busy" in page.text
    assert (problem.status, problem.headers["retry-after"]) == (503, "1")
    assert problem.headers["content-type"] == "application/problem+json"
    assert "very busy" in json.loads(problem.body)["detail"]
    assert neighbour.status == 200
    assert door.ask("/", "acme").status == 200
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_a_site_that_is_asked_too_often_is_429(
    make_door: MakeDoor, caplog: pytest.LogCaptureFixture
) -> None:
    """Over its limit a site answers 429, says for how long, and fills no log."""
    door = make_door(pool={"take_tokens": refuse})
    door.add("acme")
    assert door.ask("/", "acme").status == 200  # the one that has it built
    page = door.ask("/", "acme", headers={"Accept": "text/html"})
    problem = door.ask("/", "acme", headers={"Accept": "application/json"})

    assert (page.status, page.headers["retry-after"]) == (429, "7")
    assert page.headers["content-type"].startswith("text/html")
    assert "gets too many requests" in page.text
    assert (problem.status, problem.headers["retry-after"]) == (429, "7")
    assert problem.headers["content-type"] == "application/problem+json"
    assert json.loads(problem.body)["status"] == 429
    assert leases(door) == 0
    assert door.pool.stats().limited == 2
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("reopens", "seconds"),
    [
        pytest.param(None, "60", id="nobody knows when"),
        pytest.param(timedelta(hours=-1), "60", id="overdue"),
        pytest.param(timedelta(seconds=30), "60", id="at once"),
        pytest.param(timedelta(minutes=59, seconds=30), "3600", id="in an hour"),
    ],
)
def test_a_maintenance_has_its_own_words(
    door: Door, reopens: timedelta | None, seconds: str
) -> None:
    """503 with the operator's sentence, escaped, and Retry-After until it should be over."""
    tenant = door.catalog.tenants.get("acme")
    ends = datetime.now(UTC) + reopens if reopens is not None else None
    door.catalog.tenants.begin_maintenance(
        tenant.id, notice="New <engine>", reason="ticket 7", reopens_at=ends, by=SYSTEM
    )
    answer = door.ask("/", "acme")
    assert (answer.status, answer.headers["retry-after"]) == (503, seconds)
    assert "New &lt;engine&gt;" in answer.text
    assert "ticket 7" not in answer.text


def test_a_quiet_copy_is_not_to_be_found(door: Door) -> None:
    """Whatever its app answers; the original, and the copy once it is released, are as they were."""
    copy = door.catalog.tenants.add("twin", name="Twin", quiet=True, by=SYSTEM)
    door.catalog.provisioning.activate({copy.id: None}, by=SYSTEM)
    assert door.ask("/", "twin").headers["x-robots-tag"] == "noindex, nofollow"
    assert "x-robots-tag" not in door.ask("/", "acme").headers
    door.catalog.tenants.release(copy.id, by=SYSTEM)
    assert "x-robots-tag" not in door.ask("/", "twin").headers
