"""Request bodies: bounded by kind before anybody parses them, and read in the request's own place."""

from __future__ import annotations

import io
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.middleware.senders import GRACE_SECONDS, SLOW_SECONDS, Senders
from tests.conftest import eventually
from tests.tenantry.support import Answer, FakeClock, at_once, in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.values.tenant import Tenant
    from tests.tenantry.door import Door

    MakeDoor = Callable[..., Door]

FORM = "application/x-www-form-urlencoded"
KIB = 1024


class Reader:
    """A plain WSGI app that knows of no limit; it notes how many bytes it could read."""

    def __init__(self, *, asks: bool = False) -> None:
        self.asks = asks
        self.read: list[bytes] = []
        self.called = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.called += 1
        if self.asks:
            environ["tenantry.body"].allow()
        self.read.append(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"read"]


class Site:
    """A door with one site behind it, whose app is a reader."""

    def __init__(self, make_door: MakeDoor, *, asks: bool = False, **settings: Any) -> None:
        self.app = Reader(asks=asks)
        self.door = make_door(build=self._build, **settings)
        self.door.add("acme")

    def _build(self, _: Tenant) -> WSGIApplication:
        return self.app

    def post(self, body: bytes, kind: str = FORM, **options: Any) -> Answer:
        options = {"slug": "acme", **options}
        return self.door.ask(method="POST", data=body, content_type=kind, **options)

    def post_in_chunks(self, body: bytes, kind: str = FORM) -> Answer:
        environ = {
            "CONTENT_TYPE": kind,
            "CONTENT_LENGTH": None,
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
            "wsgi.input": io.BytesIO(body),
        }
        return self.door.ask(slug="acme", method="POST", environ=environ)


def multipart(parts: int) -> bytes:
    """Return a form of so many parts, with the boundary ``edge``."""
    part = b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    return part * parts + b"--edge--\r\n"


MULTIPART = "multipart/form-data; boundary=edge"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param(b"&".join([b"a"] * 1000), FORM, 200, id="1000 fields"),
        pytest.param(b"&".join([b"a"] * 1001), FORM, 413, id="1001 fields"),
        pytest.param(b"a&" * 20_000, FORM + "; charset=utf-8", 413, id="with a parameter"),
        pytest.param(b"a&" * 20_000, " Application/X-WWW-form-urlencoded ", 413, id="capitals"),
        pytest.param(b"a&" * 20_000, "text/plain", 200, id="no form"),
        pytest.param(multipart(1000), MULTIPART, 200, id="1000 parts"),
        pytest.param(multipart(1001), MULTIPART, 413, id="1001 parts"),
        pytest.param(b"a" * 512 * KIB, FORM, 200, id="longest form"),
        pytest.param(b"a" * (512 * KIB + 1), FORM, 413, id="form too long"),
        pytest.param(b"a" * (512 * KIB + 1), "application/json", 413, id="JSON too long"),
        pytest.param(b"a" * (512 * KIB + 1), MULTIPART, 413, id="multipart too long"),
    ],
)
@pytest.mark.parametrize("send", [Site.post, Site.post_in_chunks])
def test_a_body_is_bounded_by_its_kind(
    make_door: MakeDoor, send: Callable[..., Answer], body: bytes, kind: str, status: int
) -> None:
    """R48: an app that knows of no limit never gets to read a body of too many bytes or fields."""
    site = Site(make_door)
    answer = send(site, body, kind)

    assert answer.status == status
    assert site.app.read == ([body] if status == 200 else [])


@pytest.mark.parametrize("slug", ["acme", None])
def test_the_platforms_own_apps_have_the_same_limits(make_door: MakeDoor, slug: str | None) -> None:
    """R48: the front app and the backend are never called with too many fields."""
    site = Site(make_door)
    answer = site.post(b"a&" * 20_000, path="/backend/settings", slug=slug)

    assert answer.status == 413
    assert site.door.seen == []


def test_fields_are_counted_across_reads(make_door: MakeDoor) -> None:
    """R48: a boundary that is cut in two by the pieces in which it comes counts as one."""
    site = Site(make_door, limit_form_fields=300)
    for padding in range(0, 80, 7):
        body = b"x" * padding + multipart(301)
        assert site.post(body, MULTIPART).status == 413
        assert site.post(b"x" * padding + multipart(300), MULTIPART).status == 200


def test_a_route_that_asks_gets_a_long_body(make_door: MakeDoor) -> None:
    """R48: uploads are taken where the app asks for them, up to the deployment's limit."""
    site = Site(make_door, asks=True, limit_body_mb=1)
    body = bytes(range(256)) * 4096

    assert site.post(body, "image/png").status == 200
    assert site.post_in_chunks(body, "image/png").status == 200
    assert site.app.read == [body, body]
    assert site.post(body + b"x", "image/png").status == 413
    assert site.post_in_chunks(body + b"x", "image/png").status == 413
    assert len(site.app.read) == 2


def test_a_long_form_is_counted_too(make_door: MakeDoor) -> None:
    """R48: where a route asks for long bodies, a form still has so many fields and no more."""
    site = Site(make_door, asks=True)

    assert site.post(b"a" * 600 * KIB + b"&b" * 999).status == 200
    assert site.post(b"a" * 600 * KIB + b"&b" * 1000).status == 413


class Watched(io.BytesIO):
    """A body that notes whether it was read."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize(
    ("slug", "state", "status"), [("nobody", None, 200), ("closed", "suspended", 403)]
)
@pytest.mark.parametrize("chunked", [True, False])
def test_no_body_is_read_for_a_site_that_does_not_answer(
    door: Door, slug: str, state: str | None, status: int, *, chunked: bool
) -> None:
    """The host and the tenant's state are looked at before the body, chunked or not.

    The front app, which answers for names that nobody has, says 200 here.
    """
    if state:
        door.add(slug, state=state)
    body = Watched(b"a" * 1000)
    environ: dict[str, Any] = {"wsgi.input": body, "CONTENT_LENGTH": "1000"}
    if chunked:
        environ |= {
            "CONTENT_LENGTH": None,
            "HTTP_TRANSFER_ENCODING": "chunked",
            "wsgi.input_terminated": True,
        }
    assert door.ask(slug=slug, method="POST", environ=environ).status == status
    assert body.reads == 0


class Dripping:
    """A body of which nothing comes before the test lets it."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let = threading.Event()

    def read(self, size: int) -> bytes:
        self.asked.set()
        assert self.let.wait(30)
        return b"a" * size


def test_slow_bodies_of_one_client_hold_a_share_of_the_threads(make_door: MakeDoor) -> None:
    """Law 4: while half of a worker's threads wait for one client, it is refused and others are not."""
    site = Site(make_door, threads=4)
    drips = [Dripping(), Dripping()]
    answers: list[Answer] = []

    def send(drip: Dripping) -> None:
        environ = {"wsgi.input": drip, "CONTENT_LENGTH": "10", "REMOTE_ADDR": "192.0.2.1"}
        answers.append(site.door.ask(slug="acme", method="POST", environ=environ))

    for drip in drips:
        in_background(lambda drip=drip: send(drip))  # type: ignore[misc]
        assert drip.asked.wait(30)
    surplus = site.post(b"a=b", environ={"REMOTE_ADDR": "192.0.2.1"})
    neighbour = site.post(b"a=b", environ={"REMOTE_ADDR": "192.0.2.2"})
    page = site.door.ask(slug="acme", environ={"REMOTE_ADDR": "192.0.2.1"})
    for drip in drips:
        drip.let.set()

    assert (surplus.status, "retry-after" in surplus.headers) == (503, True)
    assert neighbour.status == 200
    assert page.status == 200
    eventually(lambda: [answer.status for answer in answers] == [200, 200])
    assert site.post(b"a=b", environ={"REMOTE_ADDR": "192.0.2.1"}).status == 200


def test_a_body_that_comes_too_slowly_is_cut_off() -> None:
    """A connection whose bytes come one by one, for ever, gives its thread back after the grace."""
    clock = FakeClock()
    senders = Senders(most=3, most_of_client=3, clock=clock)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sending = senders.enter("192.0.2.1", ours.fileno(), allowed=GRACE_SECONDS)
        assert sending is not None
        clock.advance(GRACE_SECONDS - 1)
        senders.abort_overdue()
        theirs.sendall(b"a")
        assert ours.recv(10) == b"a"
        clock.advance(1)
        senders.abort_overdue()
        assert ours.recv(10) == b""  # the read ends at once, though the client has not
        ours.sendall(b"HTTP/1.1 408")
        assert theirs.recv(20) == b"HTTP/1.1 408"
        assert senders.aborted == 1
        senders.leave(sending)


class Cut(io.RawIOBase):
    """A body whose connection is cut while it is waited for."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock

    def read(self, _size: int = -1, /) -> bytes:
        self.clock.advance(60)
        raise OSError("error during read")


def test_whoever_was_too_slow_is_told_so(make_door: MakeDoor) -> None:
    """The answer is 408 and not 400, and no app has been called."""
    clock = FakeClock()
    site = Site(make_door)
    site.door.bodies.senders.clock = clock
    environ = {"wsgi.input": Cut(clock), "CONTENT_LENGTH": "10"}

    assert site.door.ask(slug="acme", method="POST", environ=environ).status == 408
    assert site.app.called == 0


def test_all_slow_bodies_together_leave_a_thread(make_door: MakeDoor) -> None:
    """Law 4: whoever sends slowly, from however many addresses, one thread stays free of them."""
    senders = Senders(most=3, most_of_client=2)
    places = [senders.enter(f"192.0.2.{number}", None) for number in range(3)]
    assert None not in places
    assert senders.enter("192.0.2.9", None) is None
    assert senders.refused == 1
    nameless = Senders(most=3, most_of_client=1)
    assert [nameless.enter("", None) is None for _ in range(4)] == [False, False, False, True]
    assert places[0] is not None
    senders.leave(places[0])
    assert senders.enter("192.0.2.9", None) is not None


def test_quick_bodies_are_waited_for_and_slow_ones_are_not(make_door: MakeDoor) -> None:
    """A visitor's many forms at once are all taken; behind slow ones a request is refused at once."""
    site = Site(make_door, threads=4)
    answers = at_once(8, lambda _: site.post(b"a=b").status)
    assert answers == [200] * 8

    clock = FakeClock()
    senders = Senders(most=1, most_of_client=1, clock=clock)
    place = senders.enter("192.0.2.1", None)
    assert place is not None
    places: list[Any] = []
    held = in_background(lambda: places.append(senders.enter("192.0.2.1", None)))
    eventually(lambda: senders._changed._waiters)  # type: ignore[attr-defined]
    senders.leave(place)
    held.join(30)
    assert places != [None]
    clock.advance(SLOW_SECONDS)
    assert senders.enter("192.0.2.2", None) is None


def test_what_an_app_does_with_a_body_is_not_the_clients_time(make_door: MakeDoor) -> None:
    """An app that takes long over an upload that has arrived holds no place of those that send."""
    reached, gate = threading.Semaphore(0), threading.Event()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["tenantry.body"].allow()
        size = len(environ["wsgi.input"].read(600 * KIB))
        reached.release()
        assert gate.wait(30)
        start_response("200 OK", [])
        return [str(size).encode()]

    door = make_door(build=lambda _: app, threads=8)
    door.add("acme")
    send: dict[str, Any] = {
        "slug": "acme",
        "method": "POST",
        "data": b"a" * 700 * KIB,
        "content_type": "image/png",
    }
    answers: list[int] = []
    threads = [in_background(lambda: answers.append(door.ask(**send).status)) for _ in range(6)]
    for _ in threads:
        assert reached.acquire(timeout=30)
    gate.set()
    for thread in threads:
        thread.join(30)
    assert answers == [200] * 6
