"""Redirects a tenant's former name to the same page under its present name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH = "/!$&'()*+,;=:@~"
QUERY = PATH + "?%"
"""What may stand in a path and in a query as it is (RFC 3986, section 3.3 and 3.4)."""


def redirect_renamed(
    place: str,
    path: str,
    environ: WSGIEnvironment,
    start_response: StartResponse,
    *,
    status: str = "308 Permanent Redirect",
) -> Iterable[bytes]:
    """Redirect to *path* below *place*, with the request's query.

    Nothing in the request decides where this leads but which page: *place* is of our own making, and
    what follows it begins with a slash or not at all.

    :param place: Our origin, or our path of the apex, without a slash at its end.
    :param path: As WSGI has it: decoded.
    """
    if path and not path.startswith("/"):
        path = f"/{path}"  # or it would go on with the host's name
    location = place + quote(path.encode("latin-1"), safe=PATH)
    if query := environ.get("QUERY_STRING", ""):
        location += "?" + quote(query.encode("latin-1"), safe=QUERY)
    # A browser that kept this answer would be led in circles once the tenant takes its name back.
    headers = [("Location", location), ("Cache-Control", "no-store"), ("Content-Length", "0")]
    start_response(status, headers)
    return [b""]
