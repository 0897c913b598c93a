"""The operator's factory as the platform uses it: each app is bound to its tenant while it is built."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask import Flask

from tenantry import factory as bare
from tenantry.errors import ProvisionError
from tenantry.flask.building import Build, building, check_built
from tenantry.flask.database import TenantSQLAlchemy

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


def load_factory(settings: Settings) -> Factory:
    """Import ``TENANTRY_FACTORY`` and return it with its hooks.

    ``build`` binds the apps before the factory's first line. ``provision`` also runs the commands of
    ``TENANTRY_PROVISION``. A factory without ``provision`` builds the tenant's app once instead: one
    that uses Flask-SQLAlchemy finds an empty database. A factory without ``dispose`` closes what
    Flask-SQLAlchemy has open.

    :raises FactoryError: There is no such factory, or it cannot be called.
    """
    found = bare.load_factory(settings.factory, settings.factory_args)
    has_hook = found.provision is not bare.no_hook

    def build(tenant: Tenant, *, creates_database: bool = False) -> WSGIApplication:
        made = Build(tenant, settings, creates_database)
        with building(made):
            app = found.build(tenant)
        check_built(app, made, factory=settings.factory)
        return app

    def provision(tenant: Tenant) -> None:
        if has_hook:
            found.provision(tenant)
        if has_hook and not settings.provision:
            return
        app = build(tenant, creates_database=True)
        try:
            for line in settings.provision:
                run_command(app, line, slug=tenant.slug)
        finally:
            dispose(app)

    def dispose(app: Any) -> None:
        if found.dispose is not bare.no_hook:
            found.dispose(app)
        elif isinstance(app, Flask):
            extension = app.extensions.get("sqlalchemy")
            if isinstance(extension, TenantSQLAlchemy):
                extension.close(app)

    return replace(found, build=build, provision=provision, dispose=dispose)


def run_command(app: WSGIApplication, line: str, *, slug: str) -> None:
    """Run a command that a tenant's app registers with Flask's command line.

    :param line: The command with its arguments, as in a shell.
    :raises ProvisionError: The app has no such command, or it failed.
    """
    if not isinstance(app, Flask):
        raise ProvisionError(slug, f"TENANTRY_PROVISION={line!r} needs a Flask app")
    result = app.test_cli_runner().invoke(args=shlex.split(line))
    if result.exit_code:
        said = str(result.exception) if result.exception and not result.output else result.output
        last = said.strip().rpartition("\n")[2]
        problem = f"TENANTRY_PROVISION={line!r} ended with {result.exit_code}: {last}"
        raise ProvisionError(slug, problem) from result.exception
