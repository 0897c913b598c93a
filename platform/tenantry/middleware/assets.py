"""The shared assets, below ``/-/assets/`` on every host.

Pages of a suspended site, or of a name that nobody has, need their style too, and there no app answers.
"""

from __future__ import annotations

import gzip
from mimetypes import guess_type
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from tenantry.middleware.compression import accepts_gzip
from tenantry.ui import ASSETS, ASSETS_PREFIX, digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FOREVER = "public, max-age=31536000, immutable"
"""For an address that names the content: it never means anything else."""

CHECKED = "public, no-cache"
"""For any other address, as pages of an older or newer release have them during a deployment."""


class Assets:
    """Serves the assets and passes everything else on. ``/-/`` is never a tenant's.

    Each asset is read and compressed once, when the worker starts.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._assets = {
            f"{ASSETS_PREFIX}{path.name}": _Asset(path) for path in sorted(ASSETS.iterdir())
        }

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if not path.startswith("/-/"):
            return self._app(environ, start_response)
        asset = self._assets.get(path)
        if asset is None or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            return _NOT_FOUND(environ, start_response)
        return asset.answer(environ)(environ, start_response)


class _Asset:
    """A file in memory, as it is and compressed."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        self._digest = digest(self._content)
        self._type = guess_type(path.name)[0] or "application/octet-stream"
        compressed = gzip.compress(self._content, 9, mtime=0)
        # A small file may grow. Then it has one encoding.
        self._compressed = compressed if len(compressed) < len(self._content) else None

    def answer(self, environ: WSGIEnvironment) -> Response:
        """Return the response: with the content, or with 304 if the client has it."""
        request = Request(environ)
        current = request.args.get("v") == self._digest
        response = Response(content_type=self._type)
        if self._type.startswith("text/"):
            response.mimetype_params["charset"] = "utf-8"
        if self._compressed is not None:
            response.vary.add("Accept-Encoding")
        if self._compressed is not None and accepts_gzip(environ):
            response.content_encoding = "gzip"
            response.set_etag(f"{self._digest}-gzip")
            response.set_data(self._compressed)
        else:
            response.set_etag(self._digest)
            response.set_data(self._content)
        response.headers["Cache-Control"] = FOREVER if current else CHECKED
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.make_conditional(request)
        return response


_NOT_FOUND = Response(
    "There is nothing here.\n", 404, {"Cache-Control": "no-store"}, content_type="text/plain"
)
