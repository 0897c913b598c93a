"""The shared assets, below ``/-/assets/`` on every host.

Pages of a suspended site, or of a name that nobody has, need their style too, and there no app answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whitenoise import WhiteNoise

from tenantry.ui import ASSETS, ASSETS_PREFIX, BOOTSTRAP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_AGE = 24 * 3600
"""Addresses carry a digest of the content, so this only bounds a mix-up during a deploy."""


class Assets:
    """Serves the assets and passes everything else on. ``/-/`` is never a tenant's."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._files = WhiteNoise(_not_found, max_age=MAX_AGE, add_headers_function=_add_headers)
        self._files.add_files(str(ASSETS), prefix=ASSETS_PREFIX)
        self._files.add_files(str(BOOTSTRAP), prefix=f"{ASSETS_PREFIX}bootstrap/")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/-/"):
            # Our body is counted on its way out, so the server could not send the file itself.
            environ.pop("wsgi.file_wrapper", None)
            body: Iterable[bytes] = self._files(environ, start_response)
            return body
        return self._app(environ, start_response)


def _add_headers(headers: object, _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"  # type: ignore[index]


def _not_found(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"There is nothing here.\n"
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
    return [body]
