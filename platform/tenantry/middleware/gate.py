r"""The request gate: refuses malformed, oversized and ambiguous requests before any app.

WSGI servers pass on what they could not make sense of: NUL and ``..`` in paths, joined duplicate
headers, odd lengths, chunked bodies that look empty. Each check below says which confusion it ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenantry.environ import BODY, HOST
from tenantry.errors import BadHostError
from tenantry.middleware.bodies import RequestBody, too_large
from tenantry.values.hosts import parse_host
from tenantry.worker.server import find_chunk_reader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.middleware.bodies import BodyLimits
    from tenantry.ui.error_pages import Pages

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""TRACE would echo cookies, CONNECT makes no sense here, no app of ours knows the rest (ASVS 13.4)."""

BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose requests rarely have a body; nobody loses anything if it is overlooked."""

MAX_TARGET = 8192
"""Characters of path and query together; RFC 9110 asks for 8000 at least."""

# Controls and DEL split log lines and headers; a backslash is a slash to some; dot segments are
# resolved by nobody after the server has decoded %2e (R10, R11).
_BAD_PATH = re.compile(r"[\x00-\x1f\x7f\\]|/\.\.?(?:/|\Z)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DIGITS = re.compile(r"[0-9]{1,19}\Z")

_ADDRESS = re.compile(r"(?:[0-9.]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?\Z")
_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?\Z")

COUNTED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO")
NEVER = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_SERVER",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_SCRIPT_NAME",
    "HTTP_PROXY",
)
"""Headers that could name another host, path or proxy. Nothing behind the gate sees them."""
FORWARDED = (*COUNTED, *NEVER)


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """The gate's answer to a request: a status and a sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


class RequestGate:
    """Lets well-formed requests through, with ``environ["tenantry.host"]`` set.

    It reads no body: what is in one is looked at when the request has found its app.

    :param hops: Trusted proxies in front. Each ``X-Forwarded-*`` that is read must then have
        exactly so many values; without trusted proxies all of them are dropped.
    :param bodies: What a body may carry.
    :param loopback: Answers GET and HEAD for this machine's bare address, as ``127.0.0.1:8000``.
        Without it they are refused as every other address is.
    :param dechunked: The server's other side (nginx, over the uwsgi protocol) has decoded chunked
        bodies already and says so with a length.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        pages: Pages,
        hops: int = 0,
        bodies: BodyLimits,
        dechunked: bool = False,
        loopback: WSGIApplication | None = None,
    ) -> None:
        self._app = app
        self._pages = pages
        self._hops = hops
        self._bodies = bodies
        self._dechunked = dechunked
        self._loopback = loopback

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            check_target(environ)
            environ[HOST] = parse_host(environ.get("HTTP_HOST", ""))
            self._check_proxies(environ)
            if environ["REQUEST_METHOD"] not in BODILESS:
                check_names(environ)
            if "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH"):
                self._check_body(environ)
        except BadHostError as error:
            return self._no_name(error, environ, start_response)
        except Refusal as refusal:
            return self._pages.answer(environ, start_response, refusal.status, refusal.message)
        return self._app(environ, start_response)

    def _no_name(
        self, error: BadHostError, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer for a Host that is no name."""
        message = str(error)
        if _ADDRESS.match(error.value) is not None:
            asking = environ["REQUEST_METHOD"] in {"GET", "HEAD"}
            if self._loopback is not None and asking and _LOOPBACK.match(error.value) is not None:
                return self._loopback(environ, start_response)
            message = f"{message} Use the name: {self._pages.apex_url}"
        return self._pages.answer(environ, start_response, 400, message)

    def _check_proxies(self, environ: WSGIEnvironment) -> None:
        """Count forwarded values: a client's ``X_Forwarded_For`` would arrive as one more (R2)."""
        if "uwsgi.version" in environ:
            # uWSGI trusts X-Forwarded-Proto and -Ssl from any sender. HTTPS is set by its own TLS or
            # by nginx; no header ends up under this name.
            secure = environ.get("HTTPS") in {"on", "1"}
            environ["wsgi.url_scheme"] = "https" if secure else "http"
        if not environ.keys().isdisjoint(FORWARDED):
            self._judge_forwarded(environ)

    def _judge_forwarded(self, environ: WSGIEnvironment) -> None:
        for name in NEVER:
            environ.pop(name, None)
        for name in COUNTED:
            value = environ.get(name)
            if value is None:
                continue
            if not self._hops:
                del environ[name]
            elif value.count(",") + 1 != self._hops:
                raise Refusal(400, "The proxy headers of this request are inconsistent.")

    def _check_body(self, environ: WSGIEnvironment) -> None:
        """Settle on one length of the body, or refuse (R13, R14; RFC 9112, section 6)."""
        length = environ.get("CONTENT_LENGTH") or ""
        coding = environ.get("HTTP_TRANSFER_ENCODING")
        if length and _DIGITS.match(length) is None:
            raise Refusal(400, "The Content-Length of this request is not one number.")
        size = int(length) if length else None
        if size is not None and size > self._bodies.max_bytes:
            raise Refusal(413, too_large(self._bodies.max_bytes))
        if size:
            environ[BODY] = RequestBody(self._bodies, environ, size)
        if not coding:
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            return
        if coding.strip(" \t").lower() != "chunked":
            raise Refusal(501, "This server understands no transfer coding but chunked.")
        if length:
            if not self._dechunked:
                raise Refusal(400, "This request gives its length in two ways.")
            del environ["HTTP_TRANSFER_ENCODING"]
            return
        if find_chunk_reader(environ, 0) is None:
            raise Refusal(411, "This server accepts no body without a Content-Length.")
        environ[BODY] = RequestBody(self._bodies, environ, None)


def check_names(environ: WSGIEnvironment) -> None:
    """Refuse a space before a header's colon: ``Transfer-Encoding : chunked`` would be overlooked.

    :raises Refusal: As RFC 9112, section 5.1, demands.
    """
    for name in environ:
        if name.endswith((" ", "\t")):
            raise Refusal(400, "A header of this request has a space before its colon.")


def check_target(environ: WSGIEnvironment) -> None:
    """Refuse methods and paths that no app should have to judge.

    :raises Refusal: With the status for the client.
    """
    method = environ.get("REQUEST_METHOD")
    path = environ.get("PATH_INFO")
    if method is None or path is None:  # an HTTP/0.9 request line
        raise Refusal(400, "This is not a complete HTTP request.")
    if method not in METHODS:
        raise Refusal(405, "This server does not know this method.")
    query = environ.get("QUERY_STRING", "")
    if len(path) + len(query) > MAX_TARGET:
        raise Refusal(414, f"An address may have {MAX_TARGET} characters at most.")
    if not query.isprintable() and _CONTROL.search(query) is not None:
        raise Refusal(400, "The query of this address has forbidden characters.")
    if not path.startswith("/"):
        path = environ["PATH_INFO"] = _path_of(path, environ.get("HTTP_HOST", ""))
    # Nearly every path is plain, and these four take a quarter of the search's time.
    if not (path.isascii() and path.isprintable() and "\\" not in path and "/." not in path):
        _check_path(path)


def _check_path(path: str) -> None:
    if _BAD_PATH.search(path) is not None:
        raise Refusal(400, "The path of this address has forbidden characters or segments.")
    try:
        path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise Refusal(400, "The path of this address is not UTF-8.") from None


def _path_of(target: str, host: str) -> str:
    """Return the path of an absolute-form target, whose host has to be the Host (R7)."""
    try:
        if _CONTROL.search(target) is not None:
            raise ValueError  # noqa: TRY301 - urlsplit would drop them without a word
        parts = urlsplit(target)
        authority = parse_host(parts.netloc)
        same = parts.scheme in {"http", "https"} and authority == parse_host(host)
    except ValueError:
        same = False
    if not same:
        raise Refusal(400, "The request's target and its Host do not agree.")
    return parts.path or "/"
