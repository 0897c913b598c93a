"""The operator's factory as the platform uses it: each app is bound to its tenant while it is built."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Flask

from tenantry import factory as bare
from tenantry.databases.placements import tenant_database
from tenantry.flask.building import Build, building, check_built
from tenantry.flask.database import TenantSQLAlchemy, database_uri

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def load_factory(settings: Settings) -> Factory:
    """Import ``TENANTRY_FACTORY`` and return it with its hooks.

    ``build`` binds the apps before the factory's first line. A factory without ``provision`` builds the
    tenant's app once instead: for one that uses Flask-SQLAlchemy, an empty database is there by then.
    A factory without ``dispose`` closes what Flask-SQLAlchemy has open.

    :raises FactoryError: There is no such factory, or it cannot be called.
    """
    found = bare.load_factory(settings.factory, settings.factory_args)

    def build(tenant: Tenant, *, creates_database: bool = False) -> WSGIApplication:
        folder = settings.tenant_dir(tenant.id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        uri = database_uri(tenant_database(tenant, settings))
        made = Build(tenant, settings, uri, creates_database)
        with building(made):
            app = found.build(tenant)
        check_built(app, made, factory=settings.factory)
        return app

    def provision(tenant: Tenant) -> None:
        dispose(build(tenant, creates_database=True))

    def dispose(app: Any) -> None:
        if isinstance(app, Flask):
            extension = app.extensions.get("sqlalchemy")
            if isinstance(extension, TenantSQLAlchemy):
                extension.close(app)

    return replace(
        found,
        build=build,
        provision=provision if found.provision is bare.no_hook else found.provision,
        dispose=dispose if found.dispose is bare.no_hook else found.dispose,
    )
