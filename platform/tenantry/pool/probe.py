"""Probes a new instance with a request for its front page, before visitors reach it."""

from __future__ import annotations

import io
import secrets
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tenantry.environ import REQUEST_ID, TENANT
from tenantry.errors import ProbeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

MAX_BYTES = 1 << 20
"""A front page that never ends has proved by then that it works."""

MAX_SECONDS = 2.0
"""A page that comes in drops, as a stream of events does, would keep the change waiting for ever."""

FAILURE = 500
"""From this status on the app itself says that it does not work (RFC 9110, section 15.6)."""


class Probe:
    """Asks an instance for its front page."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, app: WSGIApplication, tenant: Tenant) -> None:
        """Send the request, read the answer.

        :raises ProbeError: The answer is a server error. Whatever the app raises comes out as it is.
        """
        statuses: list[str] = []

        def start_response(
            status: str, _headers: Any, exc_info: Any = None, /
        ) -> Callable[[bytes], object]:
            if exc_info is not None:
                raise exc_info[1].with_traceback(exc_info[2])
            statuses.append(status)
            return len

        body = app(self._request(tenant), start_response)
        try:
            size, until = 0, time.monotonic() + MAX_SECONDS
            for chunk in body:
                size += len(chunk)
                if size > MAX_BYTES or time.monotonic() > until:
                    break
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
        status = statuses[-1] if statuses else "no status"
        if not status[:3].isdecimal() or int(status[:3]) >= FAILURE:
            raise ProbeError(tenant.slug, status)

    def _request(self, tenant: Tenant) -> WSGIEnvironment:
        """Return what a browser's first request looks like to the app; ``tenantry.probe`` marks it."""
        url = urlsplit(self._settings.site_url(tenant))
        mount = url.path.rstrip("/")
        return {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": mount,
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "REQUEST_URI": f"{mount}/",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": url.hostname or "localhost",
            "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": url.netloc,
            "HTTP_USER_AGENT": "tenantry-probe",
            "HTTP_ACCEPT": "text/html",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": url.scheme,
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            TENANT: tenant,
            REQUEST_ID: secrets.token_hex(16),
            "tenantry.probe": True,
        }
