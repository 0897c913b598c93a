"""A whole front door for tests: real catalog, directory and pool around tiny apps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tenantry.catalog import SYSTEM, Catalog
from tenantry.catalog.directory import Directory
from tenantry.dispatch import build_door
from tenantry.middleware.bodies import BodyLimits
from tenantry.resources.usage import Ledger
from tests.conftest import DOMAIN
from tests.tenantry.support import Answer, ask, hello

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

    from tenantry.pool import InstancePool
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@dataclass
class Door:
    """The application as the server calls it, and what stands behind it."""

    settings: Settings
    catalog: Catalog
    directory: Directory
    pool: InstancePool[WSGIApplication]
    app: WSGIApplication
    ledger: Ledger
    bodies: BodyLimits
    built: list[str] = field(default_factory=list)
    seen: list[WSGIEnvironment] = field(default_factory=list)
    """What front, backend and plain tenant apps were called with."""

    def add(
        self, slug: str = "acme", *, state: str = "active", hosts: tuple[str, ...] = ()
    ) -> Tenant:
        tenant = self.catalog.tenants.add(slug, name=slug.title(), by=SYSTEM)
        if state == "provisioning":
            return tenant
        tenant = self.catalog.provisioning.activate({tenant.id: None}, by=SYSTEM)[0]
        route = {"active": [], "deleted": ["archived", "deleted"]}.get(state, [state])
        for step in route:
            tenant = self.catalog.tenants.transition(tenant.id, step, by=SYSTEM)  # type: ignore[arg-type]
        for host in hosts:
            tenant = self.catalog.hosts.add(tenant.id, host, proof="operator", by=SYSTEM)
        return tenant

    def ask(self, path: str = "/", slug: str | None = None, **options: Any) -> Answer:
        host = options.pop("host", f"{slug}.{DOMAIN}" if slug else DOMAIN)
        return ask(self.app, path, host, **options)


def open_door(
    settings: Settings,
    catalog: Catalog,
    make_pool: Callable[..., InstancePool[Any]],
    *,
    build: Callable[[Tenant], WSGIApplication] | None = None,
    backend: WSGIApplication | None = None,
    **pool_options: Any,
) -> Door:
    """Put a door together whose apps say who they are, or are what *build* makes."""
    built: list[str] = []
    seen: list[WSGIEnvironment] = []

    def make(tenant: Tenant) -> WSGIApplication:
        built.append(tenant.slug)
        return build(tenant) if build else hello(f"site {tenant.slug}", seen)

    options: dict[str, Any] = {"max_waiters": 8, "max_waiting": 8, "build_seconds": 10.0}
    pool = make_pool(make, **(options | pool_options))
    directory = Directory(catalog, domain=settings.domain, lookups=settings.limit_lookups)
    directory.subscribe(pool.retire)
    ledger = Ledger()
    bodies = BodyLimits.of(settings)
    app = build_door(
        settings=settings,
        directory=directory,
        pool=pool,
        front=hello("front", seen),
        backend=backend or hello("backend", seen),
        ledger=ledger,
        bodies=bodies,
    )
    return Door(settings, catalog, directory, pool, app, ledger, bodies, built, seen)
