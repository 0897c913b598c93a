"""Dispatches by host: the apex, a tenant's subdomain or a custom host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.dispatch.cookies import keep_cookies
from tenantry.dispatch.redirect_renamed import redirect_renamed
from tenantry.environ import HOST, TENANT, UNKNOWN_SLUG
from tenantry.errors import (
    BadHostError,
    CatalogUnavailableError,
    LookupLimitError,
    TenantRenamedError,
)
from tenantry.values.hosts import label_under, parse_host
from tenantry.values.slugs import HELD, judge_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.catalog.directory import Directory
    from tenantry.ui.error_pages import Pages
    from tenantry.values.slugs import NameVerdict


class SubdomainDispatcher:
    """Sends a request to the app of its host.

    Hosts are compared whole: ``acmeexample.com`` is nobody's subdomain, and ``a.b.example.com`` is
    not tenant ``b``. What nobody owns builds nothing and writes nothing.

    :param site: Answers for ``environ["tenantry.tenant"]``.
    :param elsewhere: Answers in its place on a host that is not the tenant's primary one.
    :param platform: Apps of the platform's own hosts, with whatever is mounted there.
    :param unknown: Greets those who ask for a name that nobody has, whatever the path; it finds
        the name in ``environ["tenantry.unknown_slug"]``.
    :param domain: The platform's domain.
    :param directory: Finds tenants by host; ``None`` where only paths name them.
    :param url_of: Makes the origin of a host of ours, for tenants that have another name now.
    """

    def __init__(
        self,
        site: WSGIApplication,
        *,
        elsewhere: WSGIApplication,
        platform: Mapping[str, WSGIApplication],
        unknown: WSGIApplication,
        domain: str,
        directory: Directory | None,
        url_of: Callable[[str], str],
        pages: Pages,
    ) -> None:
        self._site = site
        self._elsewhere = elsewhere
        self._platform = dict(platform)
        self._unknown = unknown
        self._domain = domain
        self._directory = directory
        self._url_of = url_of
        self._pages = pages

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ.get(HOST)  # the request gate has parsed it
        if host is None:
            try:
                host = parse_host(environ.get("HTTP_HOST", ""))
            except BadHostError as error:
                return self._pages.answer(environ, start_response, 400, str(error))
        app = self._platform.get(host)
        if app is not None:
            return app(environ, start_response)
        if self._directory is None:
            return self._nobody(host, environ, start_response)
        try:
            tenant = self._directory.find(host)
        except (TenantRenamedError, LookupLimitError, CatalogUnavailableError) as error:
            return self._not_found(error, environ, start_response)
        if tenant is None:
            return self._nobody(host, environ, start_response)
        environ[TENANT] = tenant
        is_elsewhere = tenant.primary and tenant.primary != host
        site = self._elsewhere if is_elsewhere else self._site
        return site(environ, keep_cookies(start_response))

    def _not_found(
        self,
        error: TenantRenamedError | LookupLimitError | CatalogUnavailableError,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        """Answer for a host that could not be looked up, or lead on from a tenant's former one."""
        if not isinstance(error, TenantRenamedError):
            return self._pages.lookup_failed(error, environ, start_response)
        if not error.redirects:
            return self._not_to_be_had(HELD, environ, start_response)
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        origin = self._url_of(f"{error.now}.{self._domain}")
        return redirect_renamed(origin, path, environ, start_response)

    def _nobody(
        self, host: str, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer for a host that names no tenant: a name under our domain, or another domain."""
        label, _, rest = host.partition(".")
        if rest == self._domain and self._directory is not None:
            environ[UNKNOWN_SLUG] = label
            return self._unknown(environ, start_response)
        if nested := label_under(host, self._domain):
            return self._not_to_be_had(judge_name(nested), environ, start_response)
        message = "This server does not serve the domain in your address bar."
        return self._pages.answer(environ, start_response, 421, message)

    def _not_to_be_had(
        self, verdict: NameVerdict, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer for a name that no new site can have; the page for other names may offer them."""
        problem = verdict.problem
        message = f"No site is at this address: {problem}." if problem else "No site has this name."
        return self._pages.answer(environ, start_response, 404, message)
