"""A factory whose tenants are each other's trouble, as their slugs say.

``slow-...`` takes two seconds to build, ``busy`` has a page that takes a second, and all others are
the bundled site. :func:`build_recipe_of_sites` serves the same tenants with the documentation's recipe.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tenants
from bench.recipe import build_recipe
from bench.world import trivial
from tenantry import init_tenant
from tenantry.catalog import open_catalog
from tenantry.settings import get_settings
from tenants.site import build_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask import Flask

    from tenantry.values.tenant import Tenant

SLOW_BUILD = 2.0
SLOW_PAGE = 1.0
"""Seconds that are slept, as if another machine were waited for."""


def create_app(
    tenant: Tenant, site: Callable[[Tenant], WSGIApplication] = tenants.create_app
) -> WSGIApplication:
    """Build what the tenant's slug says."""
    if tenant.slug.startswith("slow-"):
        time.sleep(SLOW_BUILD)
        return trivial
    return busy if tenant.slug == "busy" else site(tenant)


def dispose(app: WSGIApplication) -> None:
    """Close what a site has opened; the others have opened nothing."""
    if app not in {trivial, busy}:
        tenants.dispose(app)  # type: ignore[arg-type]


def busy(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer at once, but for one page."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(SLOW_PAGE)
    return trivial(environ, start_response)


def build_recipe_of_sites() -> WSGIApplication:
    """Return the recipe with an app of its own for each tenant, as people write it."""
    settings = get_settings()
    catalog = open_catalog(settings)

    def full_site(tenant: Tenant) -> Flask:
        app = build_site()
        init_tenant(app, tenant, settings=settings)
        return app

    def create(subdomain: str) -> WSGIApplication:
        return create_app(catalog.tenants.get(subdomain), full_site)

    return build_recipe(domain=settings.domain, create_app=create, backend=trivial)
