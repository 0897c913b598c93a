"""Redirects a tenant's visitors to its primary host, and to HTTPS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.dispatch.redirect_renamed import redirect_renamed
from tenantry.environ import HOST, TENANT
from tenantry.values.hosts import parse_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.values.tenant import Tenant


class ToPrimaryHost:
    """Redirects from a tenant's other hosts, its name under our domain included, to its primary one.

    :param url_of: Makes the origin of a host of ours.
    """

    def __init__(self, *, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        tenant: Tenant = environ[TENANT]
        origin = self._url_of(tenant.primary)
        return redirect_renamed(origin, _path_of(environ), environ, start_response)


class HttpsOnly:
    """Redirects from HTTP to HTTPS on the same host.

    Only for servers that know by which one the visitor came: elsewhere it would lead in circles.

    :param site: Answers over HTTPS.
    :param url_of: Makes the origin of a host of ours, which is one with ``https``.
    """

    def __init__(self, site: WSGIApplication, *, url_of: Callable[[str], str]) -> None:
        self._site = site
        self._url_of = url_of

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["wsgi.url_scheme"] == "https":
            return self._site(environ, start_response)
        origin = self._url_of(_host_of(environ))
        return redirect_renamed(origin, _path_of(environ), environ, start_response)


def _host_of(environ: WSGIEnvironment) -> str:
    """Return the canonical host: only one of ours comes this far."""
    host: str | None = environ.get(HOST)
    return host if host is not None else parse_host(environ["HTTP_HOST"])


def _path_of(environ: WSGIEnvironment) -> str:
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path
