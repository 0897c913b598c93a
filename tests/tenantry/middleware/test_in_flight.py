"""The platform's own apps have a share of the threads, as tenants have."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.dispatch import Pages
from tenantry.limits.backlog import Listeners
from tenantry.middleware.in_flight import InFlightLimit
from tests.conftest import DOMAIN, eventually
from tests.tenantry.support import ask, crowded, hello, in_background, make_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tests.tenantry.door import Door

PAGES = Pages(f"http://{DOMAIN}/")


class Gated:
    """An app whose requests wait until the test lets them go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.entered.release()
        assert self.gate.wait(30)
        return hello("gated")(environ, start_response)


def test_a_surplus_request_is_refused_while_others_wait() -> None:
    """Law 4: with its share in use, an app of the platform takes no thread that others wait for."""
    app = Gated()
    limit = InFlightLimit(app, most=2, pages=PAGES, listeners=crowded())
    threads = [in_background(lambda: ask(limit)) for _ in range(2)]
    for _ in threads:
        assert app.entered.acquire(timeout=30)

    answer = ask(limit)
    app.gate.set()
    for thread in threads:
        thread.join(30)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert ask(limit).status == 200


def test_a_surplus_request_waits_while_nobody_else_does() -> None:
    """A thread that nobody needs may wait for a place, and gets it."""
    app = Gated()
    limit = InFlightLimit(app, most=1, pages=PAGES)
    answers: list[int] = []
    threads = [in_background(lambda: answers.append(ask(limit).status)) for _ in range(2)]
    assert app.entered.acquire(timeout=30)
    app.gate.set()
    for thread in threads:
        thread.join(30)

    assert answers == [200, 200]


def test_a_wait_that_fails_keeps_no_place() -> None:
    """Law 5: the place that was granted in that very moment goes to another request."""
    app = Gated()

    class Failing(Listeners):
        def has_backlog(self) -> bool:
            app.gate.set()
            first.join(30)
            raise OSError("as it may")

    limit = InFlightLimit(app, most=1, pages=PAGES, listeners=Failing())
    first = in_background(lambda: ask(limit))
    assert app.entered.acquire(timeout=30)
    with pytest.raises(OSError, match="as it may"):
        ask(limit)

    assert ask(limit).status == 200


@pytest.mark.parametrize("fails", [True, False])
def test_a_place_is_given_back_once(*, fails: bool) -> None:
    """Law 5: when the body is closed, however often, or when the app raises."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if fails:
            raise ValueError("as apps do")
        return hello("app")(environ, start_response)

    limit = InFlightLimit(app, most=1, pages=PAGES)
    for _ in range(3):
        if fails:
            with pytest.raises(ValueError, match="as apps do"):
                ask(limit)
            continue
        body: Any = limit(make_environ(), lambda *_: lambda _: None)
        assert b"".join(body).startswith(b"app")
        body.close()
        body.close()


def test_sign_ins_leave_a_thread_for_every_site(make_door: Callable[..., Door]) -> None:
    """Law 4: with the backend's share of a worker in use, on whatever host, sites are still served."""
    app = Gated()
    door = make_door(backend=app, threads=4)
    for slug in ("acme", "bolt"):
        door.add(slug)
    form = {"method": "POST", "data": {"email": "olga@example.com", "password": "wrong"}}
    statuses: list[int] = []

    def sign_in(number: int) -> None:
        slug = ("acme", "bolt", None)[number % 3]
        statuses.append(door.ask("/backend/settings", slug=slug, **form).status)

    threads = [in_background(lambda number=number: sign_in(number)) for number in range(24)]  # type: ignore[misc]
    for _ in range(3):
        assert app.entered.acquire(timeout=30)
    assert not app.entered.acquire(blocking=False)
    assert [door.ask(slug=slug).status for slug in ("acme", "bolt", None)] == [200, 200, 200]
    eventually(lambda: statuses == [503] * 21)
    app.gate.set()
    for thread in threads:
        thread.join(30)
    assert sorted(statuses) == [200] * 3 + [503] * 21
