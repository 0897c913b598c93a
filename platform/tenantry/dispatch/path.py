"""Dispatches by path: the first segment names the tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenantry.dispatch.cookies import keep_cookies
from tenantry.dispatch.redirect_renamed import redirect_renamed
from tenantry.environ import TENANT
from tenantry.errors import CatalogUnavailableError, LookupLimitError, TenantRenamedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from tenantry.catalog.directory import Directory
    from tenantry.ui.error_pages import Pages


class PathDispatcher:
    """Sends ``/<slug>/...`` to a tenant's app, mounted there.

    ``SCRIPT_NAME`` grows and ``PATH_INFO`` shrinks by the segment, so that an unmodified app makes
    right links and redirects, and whatever cookie it sets is confined to its own path. The tenants
    share one origin all the same, and their scripts can reach each other: trusted tenants only.

    :param site: Answers for ``environ["tenantry.tenant"]``.
    """

    def __init__(self, site: WSGIApplication, *, directory: Directory, pages: Pages) -> None:
        self._site = site
        self._directory = directory
        self._pages = pages

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        slug, slash, rest = environ.get("PATH_INFO", "").removeprefix("/").partition("/")
        try:
            tenant = self._directory.find_by_slug(slug) if slug else None
        except (LookupLimitError, CatalogUnavailableError) as error:
            return self._pages.lookup_failed(error, environ, start_response)
        except TenantRenamedError as error:
            if error.redirects:
                place = f"{environ.get('SCRIPT_NAME', '')}/{error.now}"
                return redirect_renamed(place, slash + rest, environ, start_response)
            tenant = None
        if tenant is None:
            return self._pages.answer(environ, start_response, 404, "No site has this name.")
        mount = f"{environ.get('SCRIPT_NAME', '')}/{slug}"
        if not slash:
            return _add_slash(mount, environ, start_response)
        environ["SCRIPT_NAME"] = mount
        environ["PATH_INFO"] = f"/{rest}"
        environ[TENANT] = tenant
        return self._site(environ, keep_cookies(start_response, mount=mount))


def _add_slash(
    mount: str, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """Redirect to the site's root: relative links in it would miss it otherwise."""
    query = environ.get("QUERY_STRING", "")
    location = f"{mount}/?{query}" if query else f"{mount}/"
    start_response("308 Permanent Redirect", [("Location", location), ("Content-Length", "0")])
    return [b""]
