"""Ends a single request that takes too long with 504; its worker continues.

No server of ours can do that: a thread cannot be killed. Python can raise an exception in another
thread, and that is what happens here, as far as it goes. The exception comes when the thread executes
Python again: a loop, a wait in small steps and a wait for PostgreSQL end; a single call of C that does
not return (a long ``sleep``, a socket without a timeout) is only told in the log.

An exception at any point is harsh on code that does not expect one, so there is no limit unless the
operator sets one, and it is only ever raised inside an app: what the platform does around it, such as
giving an instance back, is never interrupted.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
import traceback
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from tenantry.databases.watchdog import WATCHDOG
from tenantry.environ import REQUEST_ID
from tenantry.resources.background_thread import BackgroundThread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.ui.error_pages import Pages

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks at what is running, at most."""

AGAIN_SECONDS = 5.0
"""Until a thread that has not ended is interrupted once more.

Its app may have caught the first one. Or Python has: an exception that arrives in a callback of the
garbage collector, a weak reference or a ``__del__`` is printed, and the thread goes on.
"""

_raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc


class RequestOverdueError(BaseException):
    """Raised inside an app. Not an ``Exception``, which apps catch to show a page of their own."""


class TimeLimit:
    """Interrupts apps that have not begun their response after *seconds*.

    What has begun may go on: a visitor may take long to read it, and its status has been sent.
    """

    def __init__(self, seconds: float, *, pages: Pages) -> None:
        self._seconds = seconds
        self._pages = pages
        self._running: set[_Running] = set()
        self._thread = BackgroundThread("time-limit", self._watch)
        self.start = self._thread.start
        self.stop = self._thread.stop

    def around(self, app: WSGIApplication) -> WSGIApplication:
        """Return *app* with the limit."""
        return partial(self._call, app)

    def _call(
        self, app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        running = _Running(environ, time.monotonic() + self._seconds)
        body: Iterable[bytes] | None = None
        try:
            try:
                self._running.add(running)
                body = app(environ, start_response)
                parts = iter(body)
                first = next(parts, b"")
            finally:
                self._end(running)
        except RequestOverdueError:
            self._end(running)  # it may have come while the line above was at work
            _close(body)
            return self._overdue(running.request_id, environ, start_response)
        except BaseException as error:
            _close(body)
            # Its connection to PostgreSQL was shut down: that may be heard of before the exception.
            if running.interrupted and isinstance(error, Exception):
                return self._overdue(running.request_id, environ, start_response)
            raise
        if running.interrupted:  # an app that caught it has not done all of its work
            _close(body)
            return self._overdue(running.request_id, environ, start_response)
        return _Begun(first, parts, body)

    def _end(self, running: _Running) -> None:
        """Make sure that nothing is raised in this thread any more.

        It takes no lock. On Python 3.14 the exception can arrive when a lock has been taken and its
        ``with`` has not begun: the lock would never be released, and every request would wait for it.
        """
        running.ended = True
        while running.examined:
            time.sleep(0.001)
        self._running.discard(running)
        if running.interrupted:
            _raise_in(ctypes.c_ulong(running.thread), None)  # it may not have arrived yet

    def _overdue(
        self, request_id: str, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        error = TimeoutError(f"the request took more than {self._seconds:g} s")
        message = "This page took too long. It has been logged."
        return self._pages.answer(
            environ, start_response, 504, message, error_id=request_id, error=error
        )

    def _watch(self) -> None:
        self._thread.repeat(min(LOOK_SECONDS, self._seconds / 4), self.look)

    def look(self) -> None:
        """Interrupt what is overdue."""
        now = time.monotonic()
        overdue = [running for running in list(self._running) if running.deadline <= now]
        overdue = [running for running in overdue if self._interrupt(running, now)]
        for running in overdue:
            WATCHDOG.interrupt(running.thread)
            log.error(
                "request %s takes more than %g s and is interrupted%s; it is at\n%s",
                running.request_id,
                self._seconds,
                "" if running.interrupted == 1 else " again",
                running.where,
            )

    def _interrupt(self, running: _Running, now: float) -> bool:
        """Raise the exception, unless the app has ended; return whether it was raised."""
        running.examined = True  # from here on the app's thread waits for us
        try:
            if running.ended:
                return False
            running.deadline = now + AGAIN_SECONDS
            running.interrupted += 1
            where = _stack_of(running.thread)
            _raise_in(ctypes.c_ulong(running.thread), ctypes.py_object(RequestOverdueError))
            running.where = where
            return True
        finally:
            running.examined = False


class _Running:
    """A request that is inside its app."""

    __slots__ = ("deadline", "ended", "examined", "interrupted", "request_id", "thread", "where")

    def __init__(self, environ: WSGIEnvironment, deadline: float) -> None:
        self.thread = threading.get_ident()
        self.deadline = deadline
        self.ended = False
        """Set by its own thread: it is not interrupted any more."""
        self.examined = False
        """Set by the thread that looks: it may be interrupted right now."""
        self.interrupted = 0
        self.request_id = environ.get(REQUEST_ID, "")
        self.where = ""


class _Begun:
    """A response whose first part is here already."""

    __slots__ = ("_body", "_first", "_rest")

    def __init__(self, first: bytes, rest: Iterator[bytes], body: Iterable[bytes]) -> None:
        self._first = first
        self._rest = rest
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._rest

    def close(self) -> None:
        """Close the app's body."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def _close(body: Iterable[bytes] | None) -> None:
    """Close the body of an app that has failed; another failure says nothing new."""
    with suppress(Exception):
        close = getattr(body, "close", None)
        if close is not None:
            close()


def _stack_of(thread: int) -> str:
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - there is no other way to see it
    return "".join(traceback.format_stack(frame)) if frame is not None else "(unknown)"
