"""How many requests of one of the platform's own apps a worker answers at once.

Tenants have such a share in the pool. Without one here, visitors of the front page or of the sign-in
page could take every thread, and each site would wait for them.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from tenantry.environ import BODY
from tenantry.middleware.bodies import REFUSALS, answer_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.ui.error_pages import Pages

TURN_SECONDS = 2.0
"""How long a surplus request waits while nobody else needs its thread."""

LOOK_SECONDS = 0.05
"""Between two looks at whether a connection waits for a thread."""

MOVING_SECONDS = 0.25
"""A request of the app that has ended so lately says that the next one ends soon."""

_BUSY = "The platform is very busy just now. Try again in a moment."


def nobody_waits() -> bool:
    """Stand in where the server does not tell."""
    return False


class InFlightLimit:
    """Hands *most* requests at once to *app*; a surplus one waits a moment, or is answered 503.

    :param others_wait: Says whether a connection waits for which no thread is free.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        most: int,
        pages: Pages,
        others_wait: Callable[[], bool] = nobody_waits,
    ) -> None:
        self._app = app
        self._places = threading.BoundedSemaphore(most)
        self._pages = pages
        self._others_wait = others_wait
        self._ended_at = -math.inf

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not self._places.acquire(blocking=False) and not self._wait():
            return self._pages.answer(environ, start_response, 503, _BUSY, retry_after=1)
        sent = environ.get(BODY)
        try:
            if sent is None:
                body = self._app(environ, start_response)
            else:
                body = sent.serve(self._app, environ, start_response)
        except REFUSALS as refusal:
            self.release()
            return answer_refusal(refusal, self._pages, environ, start_response)
        except BaseException:
            self.release()
            raise
        return _Counted(body, self)

    def release(self) -> None:
        """Give a place back."""
        self._ended_at = time.monotonic()
        self._places.release()

    def _wait(self) -> bool:
        """Wait for a place; say whether there was one."""
        until = time.monotonic() + TURN_SECONDS
        while not self._places.acquire(timeout=LOOK_SECONDS):
            now = time.monotonic()
            moving = now - self._ended_at < MOVING_SECONDS
            if now >= until or (not moving and self._others_wait()):
                return False
        return True


class _Counted:
    """A response body that gives the place back when the server closes it, and once."""

    __slots__ = ("_body", "_limit")

    def __init__(self, body: Iterable[bytes], limit: InFlightLimit) -> None:
        self._body = body
        self._limit: InFlightLimit | None = limit

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close the app's body, then give the place back."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            limit, self._limit = self._limit, None
            if limit is not None:
                limit.release()
