"""The time limit ends one request alone, in real threads, and nothing that comes after it."""

from __future__ import annotations

import gc
import random
import threading
import time
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from tenantry.dispatch import Pages
from tenantry.middleware.time_limit import RequestOverdueError, TimeLimit
from tests.conftest import DOMAIN
from tests.tenantry.support import ask, hello, in_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Limited = Callable[[WSGIApplication], WSGIApplication]
    Overrun = Callable[[], None]

SECONDS = 0.2
PATIENCE = 60.0


@pytest.fixture
def limited() -> Iterator[Limited]:
    """Return what puts a limit around an app."""
    limit = TimeLimit(SECONDS, pages=Pages(f"http://{DOMAIN}/"))
    limit.start()
    yield limit.around
    limit.stop()


@pytest.fixture
def limit() -> TimeLimit:
    """Return a limit that every request exceeds, but only when it is told to look."""
    return TimeLimit(0, pages=Pages(f"http://{DOMAIN}/"))


@pytest.fixture
def overrun(limit: TimeLimit) -> Iterator[Overrun]:
    """Return what an app calls to exceed *limit*: it is interrupted in there and nowhere else.

    Meanwhile there is no garbage collection. It can call Python functions (Hypothesis has one), and
    Python swallows what is raised in them.
    """
    inside = threading.Lock()  # one call of C: an event's own lock can break when it is interrupted
    inside.acquire()

    def look() -> None:
        assert inside.acquire(timeout=PATIENCE)
        limit.look()

    def overrun() -> None:
        inside.release()
        spin()

    gc.disable()
    thread = in_background(look)
    yield overrun
    thread.join()
    gc.enable()


def spin() -> None:
    """Execute Python for far too long."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        pass


def test_a_request_that_takes_too_long_is_504(limited: Limited) -> None:
    """Its app is interrupted, and the page has an error id to ask about."""

    def app(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        spin()
        raise AssertionError("it was not interrupted")

    answer = ask(limited(app))
    assert answer.status == 504
    assert "This page took too long" in answer.text


def test_flask_cannot_turn_it_into_a_page_of_its_own(limit: TimeLimit, overrun: Overrun) -> None:
    """An app that catches every exception is interrupted all the same, and cleans up."""
    app = Flask(__name__)
    ended: list[BaseException | None] = []
    app.errorhandler(Exception)(lambda _: ("caught", 200))
    app.teardown_request(ended.append)

    @app.get("/")
    def page() -> str:
        overrun()
        return "late"

    assert ask(limit.around(app)).status == 504
    assert [type(error) for error in ended] == [RequestOverdueError]


def test_an_app_that_catches_it_has_not_answered(limit: TimeLimit, overrun: Overrun) -> None:
    """Its response is closed and replaced: it was interrupted before its work was done."""
    closed: list[str] = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append("body")

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            overrun()
        except BaseException:  # noqa: BLE001 - what the rule is about
            start("200 OK", [("X-Own", "head")])
        return Body([b"half of it"])

    answer = ask(limit.around(app))
    assert (answer.status, "x-own" in answer.headers) == (504, False)
    assert closed == ["body"]


def test_a_response_that_is_begun_can_take_longer(limit: TimeLimit) -> None:
    """Only until its first part: then its status has been sent, and visitors may read slowly."""
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            limit.look()
            yield b"b"

        def close(self) -> None:
            closed.append("body")

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [])
        return Body()

    assert ask(limit.around(app)).text == "ab"
    assert closed == ["body"]


def test_a_body_that_never_begins_is_closed(limit: TimeLimit, overrun: Overrun) -> None:
    """A generator that hangs before its first part is interrupted too, and what it holds let go."""
    ended: list[str] = []

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterator[bytes]:
        start("200 OK", [("X-Own", "head")])
        try:
            overrun()
            yield b"late"
        finally:
            ended.append("generator")

    answer = ask(limit.around(app))
    assert (answer.status, "x-own" in answer.headers) == (504, False)
    assert ended == ["generator"]


def test_others_are_not_disturbed(limited: Limited) -> None:
    """While one request is ended, its neighbours in the same process are served."""

    def spinning(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        spin()
        return []

    stuck = limited(spinning)
    quick = limited(hello("quick"))
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(ask(stuck).status))
    thread.start()
    while thread.is_alive():
        assert ask(quick).status == 200
    assert answers == [504]


def test_no_interruption_comes_late(limited: Limited) -> None:
    """Requests that end at the very moment are 200 or 504, and their threads go on as ever."""
    chance = random.Random(1)
    problems: list[BaseException] = []
    statuses: set[int] = set()

    def app(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        until = time.monotonic() + SECONDS + chance.uniform(-0.06, 0.12)
        while time.monotonic() < until:
            pass
        start("200 OK", [])
        return [b"done"]

    def visit() -> None:
        try:
            for _ in range(12):
                statuses.add(ask(limited(app)).status)
                total = 0
                for number in range(2000):  # an exception that comes late would come here
                    total += number
        except BaseException as error:  # noqa: BLE001 - that is what must not happen
            problems.append(error)

    threads = [threading.Thread(target=visit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert statuses <= {200, 504}
