"""Limits the in-flight requests of the front app and of the backend.

Tenants have such a limit in the pool. Without one here, visitors of the front page or of the sign-in
page could take every thread, and each site would wait for them.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from tenantry.environ import BODY
from tenantry.limits.backlog import Listeners
from tenantry.limits.line import WAIT_SECONDS, Line
from tenantry.middleware.bodies import REFUSALS, answer_refusal
from tenantry.resources.releasing_body import ReleasingBody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.limits.line import Turn
    from tenantry.ui.error_pages import Pages

_BUSY = "The platform is very busy. Try again in a moment."


class InFlightLimit:
    """Hands *most* requests at once to *app*; one beyond waits in a line, or is answered 503.

    :param listeners: Tells whether a connection is queued for which no thread is free.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        most: int,
        pages: Pages,
        listeners: Listeners | None = None,
    ) -> None:
        self._app = app
        self._most = most
        self._pages = pages
        self._listeners = listeners or Listeners()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._line = Line()
        self._ended_at = 0.0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self._enter():
            return self._pages.answer(environ, start_response, 503, _BUSY, retry_after=1)
        place = _Place(self._leave)
        sent = environ.get(BODY)
        try:
            if sent is None:
                place.body = self._app(environ, start_response)
            else:
                place.body = sent.serve(self._app, environ, start_response)
        except REFUSALS as refusal:
            place.release()
            return answer_refusal(refusal, self._pages, environ, start_response)
        except BaseException:
            place.release()
            raise
        return place

    def _enter(self) -> bool:
        """Take a place, or wait for one; say whether there was one."""
        with self._lock:
            if self._in_flight < self._most:
                self._in_flight += 1
                return True
            turn = self._line.join(time.monotonic(), ended_at=self._ended_at)
        try:
            turn.wait_while_allowed(
                self._listeners,
                until=time.monotonic() + WAIT_SECONDS,
                near_for=partial(self._near_for, turn),
            )
        except BaseException:
            if self._leave_line(turn):  # it came all the same, and goes to another request
                self._leave(time.monotonic())
            raise
        return self._leave_line(turn)

    def _leave_line(self, turn: Turn) -> bool:
        with self._lock:
            return self._line.leave(turn) is True

    def _near_for(self, turn: Turn) -> float:
        with self._lock:
            return self._line.near_for(turn, self._most, time.monotonic())

    def _leave(self, since: float) -> None:
        """Give a place back; the first in the line gets it."""
        with self._lock:
            now = self._ended_at = time.monotonic()
            self._line.note(now - since)
            if self._line.turns:
                self._line.move_up(now)
            else:
                self._in_flight -= 1


class _Place(ReleasingBody):
    """A request's place among those that are served at once."""

    __slots__ = ("_leave", "_since")

    def __init__(self, leave: Callable[[float], None]) -> None:
        self._leave: Callable[[float], None] | None = leave
        self._since = time.monotonic()

    def release(self) -> None:
        """Give the place back."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave(self._since)
