"""Where a page is kept, and what it was made of: what a request alone says about it."""

from __future__ import annotations

import re
import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenantry.databases.placements import tenant_database
from tenantry.environ import TENANT
from tenantry.errors import TenantryError
from tenantry.flask.binding import EXTENSION
from tenantry.flask.kept_pages import KeptPages

if TYPE_CHECKING:
    from collections.abc import Hashable

    from _typeshed.wsgi import WSGIEnvironment
    from flask import Flask

    from tenantry.flask.binding import TenantBinding
    from tenantry.flask.kept_pages import KeptPage

_HARMLESS = frozenset({"HTTP_USER_AGENT", "HTTP_SEC_FETCH_USER"})
_TELLING = re.compile(
    r"(?:HTTP_|SSL_CLIENT|REMOTE_USER).*(?:COOKIE|AUTH|USER|MAIL|TOKEN|SESSION|JWT|IDENTITY|ASSERTION"
    r"|CERT|API_KEY|SSL_CLIENT|REQUESTED_WITH|HX_REQUEST|RANGE)|REMOTE_USER|SSL_CLIENT"
)
"""Names of what may say who asks, or that less than the page is asked for."""


@dataclass(frozen=True, slots=True)
class PagePlace:
    """Where a page is kept while the content is what it was made of."""

    pages: KeptPages
    tenant_id: str
    content: Hashable

    def find(self, key: Hashable) -> KeptPage | None:
        """Return the page, if it is there and fresh."""
        return self.pages.find(self.tenant_id, self.content, key)

    def keep(self, key: Hashable, page: KeptPage) -> None:
        """Keep it."""
        self.pages.keep(self.tenant_id, self.content, key, page)


def find_place(environ: WSGIEnvironment, app: Flask) -> PagePlace | None:
    """Return where an app's answer to this request may be kept; ``None``: it has to be rendered."""
    binding: TenantBinding | None = app.extensions.get(EXTENSION)
    if binding is None or binding.tenant is None or app.debug or not is_for_anybody(environ):
        return None
    pages = open_pages(binding.settings.page_cache_mb)
    if not pages.room:
        return None
    # As current_binding() does: the request may know the tenant's newer state.
    asked = environ.get(TENANT)
    tenant = asked if asked is not None and asked.id == binding.tenant.id else binding.tenant
    try:
        # Asked before the page is rendered, which then may be newer than its number, never older.
        number = tenant_database(tenant, binding.settings).content_number()
    except TenantryError:
        return None
    if number is None:
        return None
    # The instance counts too: one that is retired may know an older state of its tenant.
    return PagePlace(pages, tenant.id, (weakref.ref(app), tenant.revision, number))


def is_for_anybody(environ: WSGIEnvironment) -> bool:
    """Say whether a request reads a whole page, and nothing in it says who asks."""
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return False
    return not any(_is_telling(key) and environ[key] for key in environ)


def address_of(environ: WSGIEnvironment) -> tuple[Any, ...]:
    """Return everything that an app can know of the address that was asked for."""
    return (
        environ["wsgi.url_scheme"],
        environ.get("HTTP_HOST"),
        environ.get("SCRIPT_NAME"),
        environ.get("PATH_INFO"),
        environ.get("QUERY_STRING"),
    )


@lru_cache(maxsize=1024)
def _is_telling(key: str) -> bool:
    return key not in _HARMLESS and _TELLING.match(key) is not None


@lru_cache(maxsize=8)
def open_pages(megabytes: int) -> KeptPages:
    """Return the pages of this process."""
    return KeptPages(megabytes * 2**20)
