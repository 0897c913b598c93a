"""The whole platform in the process of a test: catalog, pool and front door."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.catalog import SYSTEM
from tenantry.databases.engines import ENGINES
from tenantry.files.shipped import load_composition
from tenantry.lifecycle import Operations
from tenantry.testing.clients import SiteClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed.wsgi import WSGIApplication

    from tenantry.catalog import Catalog
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Platform:
    """A running platform, without a server in front of it and without background work."""

    app: WSGIApplication
    """The front door: what a server calls."""

    settings: Settings
    catalog: Catalog
    operations: Operations
    """Everything that the commands do to tenants: ``platform.operations.suspend(tenant.slug)``."""

    def create(self, slug: str, *, name: str = "", **options: Any) -> Tenant:
        """Create a tenant, as ``tenantry tenant create`` does.

        :param options: Those of the operation: ``owner_email``, ``site_settings``, ``plan``.
        :raises TenantryError: The slug is taken, or the factory cannot make the tenant's data.
        """
        return self.operations.create(slug, name=name or slug.title(), **options)

    def client(self, tenant: Tenant | None = None) -> SiteClient:
        """Return a browser at a tenant's site; without a tenant, at the front page."""
        site = self.settings.site_url(tenant) if tenant else self.settings.apex_url
        return SiteClient(self.app, site, {})


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """Put the platform together as a server's worker does, and take it apart at the end.

    :param settings: Those of the process; their catalog is prepared.
    """
    composition = load_composition()
    budget = ENGINES.budget
    catalog = composition.open_checked_catalog(settings)
    try:
        parts = composition.assemble(settings, catalog)
        composition.connect_changes(parts)
        yield Platform(
            app=composition.build_front_door(parts),
            settings=settings,
            catalog=catalog,
            operations=Operations(catalog, parts.factory, settings=settings, actor=SYSTEM),
        )
        parts.pool.close()
    finally:
        ENGINES.budget = budget
        catalog.close()
