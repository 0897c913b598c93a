"""Keeps the cookies that a tenant's app sets on the tenant's own site.

A cookie with ``Domain=example.com`` is sent to all of the platform's sites, and one without a path to
all that share an origin (RFC 6265, sections 4.1.2 and 5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse

SET_COOKIE = "set-cookie"
LENGTH = len(SET_COOKIE)
"""Compared first, because each response of each site comes by here."""


def keep_cookies(start_response: StartResponse, *, mount: str | None = None) -> StartResponse:
    """Make each cookie of the response one for this host only.

    :param mount: The path of a site that shares its host; its cookies stay at or below.
    """

    def kept(
        status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        for name, _ in headers:
            if len(name) == LENGTH and name.lower() == SET_COOKIE:
                _keep_all(headers, mount)
                break
        return start_response(status, headers, exc_info)

    return kept


def _keep_all(headers: list[tuple[str, str]], mount: str | None) -> None:
    """Change the cookies in place, as PEP 3333 allows: the list is the server's own from here on."""
    for index, (name, value) in enumerate(headers):
        if name.lower() == SET_COOKIE:
            headers[index] = (name, _keep(value, mount))


def _keep(cookie: str, mount: str | None) -> str:
    if mount is None and "domain" not in cookie.lower():
        return cookie
    first, *attributes = cookie.split(";")
    kept = []
    path = f"{mount}/"
    for attribute in attributes:
        name, _, value = attribute.strip().partition("=")
        if name.strip().lower() == "domain":
            continue
        if mount is not None and name.lower() == "path":
            if value == mount or value.startswith(path):
                path = value
            continue
        kept.append(attribute.strip())
    return "; ".join([first, *kept, *([] if mount is None else [f"Path={path}"])])
