"""The front door's responses: a page, or problem+json if the client asks for JSON."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader

from tenantry.environ import REQUEST_ID
from tenantry.errors import CatalogUnavailableError
from tenantry.ui import TEMPLATES, asset_url
from tenantry.ui.problems import MEDIA_TYPE, encode_problem, prefers_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from tenantry.errors import LookupLimitError

log = logging.getLogger(__name__)

TITLES = {
    400: ("Bad Request", "This request cannot be answered"),
    403: ("Forbidden", "This site is suspended"),
    404: ("Not Found", "There is no site here"),
    405: ("Method Not Allowed", "This method is not allowed"),
    408: ("Request Timeout", "That took too long"),
    410: ("Gone", "This site is gone"),
    411: ("Length Required", "This request cannot be answered"),
    413: ("Content Too Large", "That is too much to upload"),
    414: ("URI Too Long", "This address is too long"),
    421: ("Misdirected Request", "No site answers at this address"),
    429: ("Too Many Requests", "Too many requests"),
    500: ("Internal Server Error", "Something went wrong"),
    501: ("Not Implemented", "This request cannot be answered"),
    503: ("Service Unavailable", "This site is not available right now"),
    504: ("Gateway Timeout", "This took too long"),
    507: ("Insufficient Storage", "Nothing can be saved now"),
}
"""Reason phrase (RFC 9110, section 15; RFC 4918, section 11.5) and headline of each status."""

_HEADERS = [
    ("Cache-Control", "no-store"),
    ("Vary", "Accept"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'",
    ),
]

_ID = "@request-id@"
"""Stands in a rendered page for the one thing that differs each time. Ids need no escaping."""


class Pages:
    """The front door's own answers.

    A page is rendered once for all requests that differ in their id only, so that a flood of
    requests for unknown hosts costs next to nothing.

    :param apex_url: Where a lost visitor can go.
    """

    def __init__(self, apex_url: str) -> None:
        self.apex_url = apex_url
        environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
        environment.globals["asset"] = asset_url
        self._template = environment.get_template("door.html")
        self._render = lru_cache(maxsize=256)(self._render_anew)

    def answer(
        self,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        status: int,
        message: str,
        *,
        retry_after: int | None = None,
        error_id: str | None = None,
        error: Exception | None = None,
    ) -> Iterable[bytes]:
        """Answer with one of the statuses in :data:`TITLES`.

        :param message: A sentence for the visitor.
        :param retry_after: Seconds; also sent as ``Retry-After``.
        :param error_id: The id under which the cause is logged.
        :param error: What an app raised: its response, if it had begun one, is replaced.
        """
        reason, title = TITLES[status]
        request_id = environ.get(REQUEST_ID, "")
        if prefers_json(environ.get("HTTP_ACCEPT", "")):
            kind = MEDIA_TYPE
            body = encode_problem(status, title, message, request_id=request_id, error_id=error_id)
        else:
            kind = "text/html; charset=utf-8"
            page = self._render(status, message, retry_after, error_id)
            body = page.replace(_ID, request_id).encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *_HEADERS]
        if retry_after is not None:
            headers.append(("Retry-After", str(retry_after)))
        if status == 405:  # noqa: PLR2004 - RFC 9110 wants Allow with it
            headers.append(("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
        exc_info: Any = (type(error), error, error.__traceback__) if error else None
        start_response(f"{status} {reason}", headers, exc_info)
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]

    def lookup_failed(
        self,
        error: LookupLimitError | CatalogUnavailableError,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Answer where the directory could not say whose host or path this is."""
        message = error.message
        if isinstance(error, CatalogUnavailableError):
            # The database's own words are for the log.
            log.warning("answered %d: %s", error.status, error)
            message = "The platform cannot look this site up right now."
        return self.answer(
            environ, start_response, error.status, message, retry_after=error.retry_after
        )

    def _render_anew(
        self, status: int, message: str, retry_after: int | None, error_id: str | None
    ) -> str:
        return self._template.render(
            status=status,
            title=TITLES[status][1],
            message=message,
            retry_after=retry_after,
            error_id=error_id,
            request_id=_ID,
            apex_url=self.apex_url,
        )
