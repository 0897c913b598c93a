"""The operator's factory as the platform uses it: each app is bound to its tenant while it is built."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from flask import Flask

from tenantry import factory as bare
from tenantry.databases.placements import check_here, tenant_database
from tenantry.errors import FactoryError, SettingsError
from tenantry.flask import extensions
from tenantry.flask.building import Build, building
from tenantry.flask.commands import run_command
from tenantry.flask.database import make_tables
from tenantry.flask.freezing import is_shared
from tenantry.flask.instances import Instances
from tenantry.flask.loggers import close_handlers
from tenantry.flask.migrating import find_folder
from tenantry.flask.pins import RESERVED
from tenantry.migrations import provision_database
from tenantry.values.placement import LOCAL
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIApplication

    from tenantry.factory import Factory
    from tenantry.settings import Settings


def load_factory(settings: Settings) -> Factory:
    """Import ``TENANTRY_FACTORY`` and return it with its hooks.

    ``build`` binds the apps before the factory's first line. ``provision`` also runs the commands of
    ``TENANTRY_PROVISION``. A factory without ``provision`` builds the tenant's app once instead: one
    that uses Flask-SQLAlchemy finds a database that is empty, or at the newest revision of its
    migrations. If it is empty after that, the tables of the models are made. A factory without
    ``dispose`` closes what Flask-SQLAlchemy has open.

    :raises FactoryError: There is no such factory, or it cannot be called.
    :raises SettingsError: ``TENANTRY_PIN`` names what is pinned already.
    """
    _check_pins(settings)
    found = bare.load_factory(settings.factory, settings.factory_args)
    has_hook = found.provision is not bare.no_hook
    instances = Instances(found, settings)
    find_migrations = _find_migrations(found, settings, instances)

    def build(tenant: Tenant, *, creates_database: bool = False) -> WSGIApplication:
        if tenant.placement:
            check_here(tenant.placement, settings)
        return instances.build(Build(tenant, settings, creates_database))

    def provision(tenant: Tenant) -> None:
        if has_hook:
            # A hook may make an app of its own, without the factory: it is the tenant's, too.
            with building(Build(tenant, settings, creates_database=True)):
                found.provision(tenant)
        if has_hook and not settings.provision:
            return
        if not has_hook and (folder := find_migrations()) is not None:
            provision_database(tenant, settings, folder)
        app = build(tenant, creates_database=True)
        try:
            for line in settings.provision:
                run_command(app, line, slug=tenant.slug)
            if not has_hook:
                make_tables(app)
        finally:
            dispose(app)

    dispose = partial(_dispose, found)
    return replace(
        found,
        build=build,
        prepare=instances.prepare,
        provision=provision,
        dispose=dispose,
        find_migrations=find_migrations,
    )


def _check_pins(settings: Settings) -> None:
    if taken := sorted(RESERVED.intersection(settings.pin)):
        problem = "Tenantry decides that value for each tenant already; remove it"
        raise SettingsError("TENANTRY_PIN", taken[0], problem)


def _dispose(found: Factory, app: Any) -> None:
    """Close what an app has open, by the factory's hook or else as far as Tenantry knows it."""
    if found.dispose is not bare.no_hook:
        found.dispose(app)
    elif isinstance(app, Flask):
        extensions.close(app)
    if isinstance(app, Flask) and not is_shared(app):
        close_handlers(app)


def _find_migrations(
    found: Factory, settings: Settings, instances: Instances
) -> Callable[[], Path | None]:
    """Return what finds the app's revisions: where the operator, the factory or the app names them."""
    if settings.migrations is not None:
        folder = bare.check_folder(settings.factory, settings.migrations)
        return lambda: folder
    if found.find_migrations() is not None or "flask_migrate" not in sys.modules:
        return found.find_migrations
    return cache(partial(_ask_app, found, settings, instances))


def _ask_app(found: Factory, settings: Settings, instances: Instances) -> Path | None:
    """Return the folder that the prototype names, or an app that is built for nobody's tenant."""
    if (prototype := instances.find_prototype()) is not None:
        return find_folder(prototype.app, list(prototype.migrations))
    with TemporaryDirectory(prefix="tenantry-") as folder:
        changed = {"data_dir": Path(folder), "files_dir": "", "databases": (LOCAL,)}
        scratch = settings.model_copy(update=changed)
        made = Build(Tenant(uuid4().hex, "example", "Example"), scratch, creates_database=True)
        app: Any = None
        try:
            with building(made):
                app = found.build(made.tenant)
        except Exception as error:
            # It may miss the tables that the revisions would have made; it has named them by then.
            if not made.migrations:
                problem = (
                    f"finding its migrations failed ({type(error).__name__}: {error}); name them"
                )
                raise FactoryError(settings.factory, f"{problem} in TENANTRY_MIGRATIONS") from error
        finally:
            if app is not None:
                found.dispose(app)
            tenant_database(made.tenant, scratch).close()
        return find_folder(app, made.migrations)
