"""Answers ``/-/health`` on every host, and nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/-/health"
_HEADERS = [
    ("Content-Type", "text/plain"),
    ("Content-Length", "3"),
    ("Cache-Control", "no-store"),
]


class Health:
    """Stands before the gate and the log: a balancer asks by address, and every second."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return self._app(environ, start_response)
        start_response("200 OK", list(_HEADERS))
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else b"ok\n"]
