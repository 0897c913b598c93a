"""Compresses pages, scripts and documents with gzip.

The platform does this and not the proxy in front of it, because two things are known here only:

- Which answers come in one piece. One without a ``Content-Length`` is a stream and passes untouched:
  what an app flushes arrives when the app flushes it.
- Which answers could hold a secret beside words of the request. Their compressed length would tell
  a listener how well the words fit the secret (BREACH, CVE-2013-3587). A request that carries
  credentials *and* something to repeat, in its query or its body, gets a plain answer.
"""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Headers
from werkzeug.wsgi import ClosingIterator

from tenantry.environ import KEPT_PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LEVEL = 6
SMALLEST, LARGEST = 600, 1024 * 1024
"""Bytes. Less fits into the packet that the head takes anyway, more would be held in memory."""

_TYPES = re.compile(
    r"text/(?!event-stream)|application/(?:[\w.-]+\+)?(?:json|xml|javascript)\b|image/svg\+xml",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"(?:gzip|\*)\s*;\s*q\s*=\s*0(?:\.0*)?\s*(?:,|\Z)", re.IGNORECASE)


def accepts_gzip(environ: WSGIEnvironment) -> bool:
    """Say whether the client takes gzip (RFC 9110, section 12.5.3)."""
    accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
    # Browsers give no weights, and a weight needs a semicolon.
    return "gzip" in accepted and (";" not in accepted or _REFUSED.search(accepted) is None)


class Compression:
    """Compresses what the app answers, if it is worth it and safe."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not accepts_gzip(environ) or _could_tell_secrets(environ):
            return self._app(environ, start_response)
        answer = _Answer(environ, start_response)
        return answer.send(self._app(environ, answer.start))


class _Answer:
    """One response, whose head waits until it is known what the body becomes."""

    __slots__ = ("_environ", "_head", "_is_late", "_start_response", "_written")

    def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response
        self._head: tuple[str, Headers, OptExcInfo | None] | None = None
        self._written: list[bytes] = []
        self._is_late = False

    def start(
        self, status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        """Take the app's head: keep it if the body is to be compressed, else pass it on."""
        # An app that starts only while its body is read is too late: a part may have gone out.
        if not self._is_late and _is_compressible(status, headers):
            self._head = (status, Headers(headers), exc_info)
            return self._written.append
        self._head = None
        if status.startswith("304") and "ETag" in (mutable := Headers(headers)):
            _mark(mutable)
            headers = mutable.to_wsgi_list()
        return self._start_response(status, headers, exc_info)

    def send(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the body that the server sends; closing it closes the app's."""
        self._is_late = True
        if self._head is None:
            return body
        close = getattr(body, "close", None)
        status, headers, exc_info = self._head
        try:
            content = b"".join([*self._written, *body])
        except BaseException:
            if close is not None:
                close()
            raise
        _mark(headers)
        headers["Content-Encoding"] = "gzip"
        del headers["Content-Length"]
        if self._environ["REQUEST_METHOD"] != "HEAD":
            content = _compress(content, self._environ.get(KEPT_PAGE))
            headers["Content-Length"] = str(len(content))
        self._start_response(status, headers.to_wsgi_list(), exc_info)
        return ClosingIterator([content], close)


def _compress(content: bytes, kept: Any) -> bytes:
    """Return the content compressed; of a page from memory that is done once."""
    if kept is not None and kept.body is content and kept.packed is not None:
        packed: bytes = kept.packed
        return packed
    # Without a time, the same content has the same bytes: caches can compare them.
    made = gzip.compress(content, LEVEL, mtime=0)
    if kept is not None and kept.body is content:
        kept.packed = made
    return made


def _could_tell_secrets(environ: WSGIEnvironment) -> bool:
    """Say whether the request has credentials, and words that its answer may repeat."""
    credentials = "HTTP_COOKIE" in environ or "HTTP_AUTHORIZATION" in environ
    return credentials and bool(
        environ.get("QUERY_STRING")
        or environ.get("CONTENT_LENGTH", "0") not in {"", "0"}
        or "HTTP_TRANSFER_ENCODING" in environ
    )


def _is_compressible(status: str, headers: Iterable[tuple[str, str]]) -> bool:
    # Errors go out as they are: a flood of unknown names must not cost more time.
    if not status.startswith("200"):
        return False
    kind = length = ""
    # In one pass, without an object for it: every answer comes this way.
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            kind = value
        elif lower == "content-length":
            length = value
        elif lower in {"content-encoding", "accept-ranges"} or (
            lower == "cache-control" and "no-transform" in value.lower()
        ):
            return False
    if not (length.isdecimal() and SMALLEST <= int(length) <= LARGEST):
        return False
    return _TYPES.match(kind) is not None


def _mark(headers: Headers) -> None:
    """Say that there are two encodings: in ``Vary``, and by an ETag that only compares weakly."""
    vary = ", ".join(headers.getlist("Vary"))
    if "accept-encoding" not in vary.lower() and vary != "*":
        headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
    etag = headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        headers["ETag"] = f"W/{etag}"
