"""Answers a certificate authority that checks a domain (RFC 8555, section 8.3).

`tenantry certificates` puts each answer into a file for as long as the check takes. The answers are
public: they say only that this machine has asked for a certificate.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PREFIX = "/.well-known/acme-challenge/"
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}\Z")


class AcmeChallenges:
    """Stands before the redirect to HTTPS, for which a domain has no certificate yet.

    :param folder: The answers, by their tokens. Any other path of the prefix is the app's.
    """

    def __init__(self, app: WSGIApplication, folder: Path) -> None:
        self._app = app
        self._folder = folder

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if not path.startswith(PREFIX):
            return self._app(environ, start_response)
        token = path.removeprefix(PREFIX)
        try:
            body = (self._folder / token).read_bytes() if TOKEN.match(token) else None
        except OSError:
            body = None
        if body is None:
            return self._app(environ, start_response)
        headers = [
            ("Content-Type", "text/plain"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ]
        start_response("200 OK", headers)
        return [body]
