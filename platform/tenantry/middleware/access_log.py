"""The access log: one JSON line per request, written after the response.

The server's own log format does not escape what clients send; here every string passes JSON's encoder
(R56). The query is left out, and so is whatever looks like a token in the path.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from json.encoder import encode_basestring_ascii as quoted
from threading import get_ident
from typing import TYPE_CHECKING

from tenantry.environ import DEBUGGER, REQUEST_ID, TENANT
from tenantry.middleware.request_id import RequestIds
from tenantry.resources.usage import SPENT, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.ui.error_pages import Pages
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)


_TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}")
_SHORT = 40
_MOST = 200
"""Characters of each thing that a client chooses. So a line, even if all of them are escaped, stays
below PIPE_BUF, and workers that share a pipe never cut each other's lines."""
STDERR = 2
_SILENT_SECONDS = 60.0
"""Between two complaints about a log that cannot be written."""


class AccessLog:
    """Gives every request its id, times it, and writes its line.

    :param target: ``"stderr"``, ``"off"``, or the path of a file to append to.
    :param ledger: Where each tenant's requests are added up.
    :param busy: Where the threads stand that are in a request.
    :param ids_from_proxy: A proxy in front says in ``X-Request-ID`` what a request is called.
    """

    def __init__(
        self,
        app: WSGIApplication,
        target: str,
        *,
        pages: Pages,
        ledger: Ledger | None = None,
        busy: set[int] | None = None,
        ids_from_proxy: bool = False,
    ) -> None:
        self._app = app
        self._ledger = ledger or Ledger()
        self._busy = busy if busy is not None else set()
        self._pages = pages
        self._ids = RequestIds(from_proxy=ids_from_proxy)
        self._descriptor = _open(target)
        self._second = 0
        self._stamp = ""
        self._torn = False
        self._silent_until = 0.0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # uWSGI's thread uses one dict for all its requests: an app that keeps one, as a thread of its
        # own does, would read the next visitor's.
        environ = environ.copy()
        request_id = self._ids.assign(environ)
        body = LoggedBody(self, environ)
        self._busy.add(body.thread)

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            if exc_info is not None and "uwsgi.version" in environ:
                # uWSGI does not take it: it would send the new head and no body. It does put a new
                # head instead of one that it has not sent, and sends it with the first bytes.
                _, error, traceback = exc_info
                if body.size and error is not None:
                    raise error.with_traceback(traceback)
                exc_info = None
            body.status = status
            return start_response(status, [*headers, ("X-Request-ID", request_id)], exc_info)

        try:
            body.inner = self._app(environ, start)
        except Exception as error:
            if DEBUGGER in environ:
                self._busy.discard(body.thread)
                raise
            body.inner = self._failed(error, environ, start)
        return body

    def note(self, environ: WSGIEnvironment, body: LoggedBody) -> None:
        """Add the request to its tenant's account, and write its line."""
        self._busy.discard(body.thread)
        seconds = time.perf_counter() - body.started
        tenant = environ.get(TENANT)
        if tenant is not None:
            self._ledger.add(
                tenant.id,
                tenant.slug,
                wall=seconds,
                cpu=time.thread_time() - body.cpu,
                database=SPENT.database - body.database,
                failed=body.status.startswith("5"),
            )
        self._write(environ, tenant, body, seconds)

    def _write(
        self, environ: WSGIEnvironment, tenant: Tenant | None, body: LoggedBody, seconds: float
    ) -> None:
        """Write one line. A log that cannot be written never costs a visitor the answer."""
        if self._descriptor is None:
            return
        get = environ.get
        status = body.status
        path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
        if len(path) >= _SHORT:
            path = _TOKEN.sub("[token]", path)
        code = int(status[:3]) if status[:3].isdecimal() else 0  # the app's own words come here
        now = time.time()
        second = int(now)
        if second != self._second:
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        line = (
            f'{{"at":"{self._stamp}.{int((now - second) * 1000):03d}Z","event":"request",'
            f'"id":"{environ[REQUEST_ID]}",'
            f'"tenant":{quoted(tenant.id) if tenant else "null"},'
            f'"host":{quoted(get("HTTP_HOST", "")[:_MOST])},'
            f'"method":{quoted(get("REQUEST_METHOD", "")[:16])},'
            f'"path":{quoted(path[:_MOST])},"status":{code},"bytes":{body.size},'
            f'"ms":{seconds * 1000:.2f},'
            f'"ip":{quoted(get("REMOTE_ADDR", "")[:45])},'
            f'"agent":{quoted(get("HTTP_USER_AGENT", "")[:_MOST])}}}\n'
        )
        try:
            written = line.encode()
            if self._torn:
                written = b"\n" + written
            # On a full disk the first part of a line may still find room.
            self._torn = os.write(self._descriptor, written) < len(written)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        """Tell the other log, but not for each request: it may be on the same disk."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _SILENT_SECONDS
            log.warning(
                "the access log cannot be written; requests are served without it: %s", error
            )

    def _failed(
        self, error: Exception, environ: WSGIEnvironment, start: StartResponse
    ) -> Iterable[bytes]:
        error_id = secrets.token_hex(4)
        log.error("a request failed, error %s", error_id, exc_info=error)
        message = "The platform had an error. It has been logged."
        return self._pages.answer(
            environ,
            start,
            500,
            message,
            error_id=error_id,
            error=error,
        )


class LoggedBody:
    """A response body that tells the log what the request took when the server closes it."""

    __slots__ = (
        "_environ",
        "_log",
        "cpu",
        "database",
        "inner",
        "size",
        "started",
        "status",
        "thread",
    )

    def __init__(self, access_log: AccessLog, environ: WSGIEnvironment) -> None:
        self._log = access_log
        self._environ = environ
        self.thread = get_ident()
        self.started = time.perf_counter()
        self.cpu = time.thread_time()
        self.database = SPENT.database
        self.inner: Iterable[bytes] = ()
        self.status = ""
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.inner:
            self.size += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the app's body, then write the line."""
        try:
            close = getattr(self.inner, "close", None)
            if close is not None:
                close()
        finally:
            self._log.note(self._environ, self)


def _open(target: str) -> int | None:
    if target == "off":
        return None
    if target == "stderr":
        return STDERR
    return os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
