"""A Flask-SQLAlchemy extension whose engine is the current tenant's."""

from __future__ import annotations

import logging
from functools import lru_cache, partial, wraps
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy, track_modifications
from flask_sqlalchemy.cli import add_models_to_shell
from sqlalchemy import inspect
from sqlalchemy.exc import DBAPIError

from tenantry.databases.placements import tenant_database
from tenantry.flask.binding import EXTENSION, current_binding
from tenantry.flask.building import current_build, current_watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Engine

log = logging.getLogger(__name__)

_ENGINES = "_tenantry_engines"

_DEFAULTS: Mapping[str, Any] = {
    "SQLALCHEMY_DATABASE_URI": None,
    "SQLALCHEMY_ENGINE_OPTIONS": {},
    "SQLALCHEMY_ECHO": False,
    "SQLALCHEMY_BINDS": {},
    "SQLALCHEMY_RECORD_QUERIES": False,
    "SQLALCHEMY_TRACK_MODIFICATIONS": False,
}
"""What Flask-SQLAlchemy's own ``init_app`` leaves in the config for apps that read it."""


class TenantSQLAlchemy(SQLAlchemy):
    """One extension object for every tenant: models and sessions are shared, engines are not.

    Which engine it is follows from the app that is at work, so that ORM, Core and ``text()`` are
    all confined to the tenant's own database. Nothing is opened before it is needed. Use it at
    module level and call ``init_app`` on each app, or once on a flyweight's prototype.
    """

    def init_app(self, app: Flask) -> None:
        """Register the extension on *app*; unlike Flask-SQLAlchemy's, it makes no engine.

        While a tenant is being provisioned, its empty database is there when this returns, so that
        the factory can go on with ``create_all()``.
        """
        if "sqlalchemy" in app.extensions:
            raise RuntimeError(
                "This app has a SQLAlchemy extension already; import that one instead."
            )
        app.extensions["sqlalchemy"] = self
        app.teardown_appcontext(self._teardown_session)
        if self._add_models_to_shell:
            app.shell_context_processor(add_models_to_shell)
        for name, default in _DEFAULTS.items():
            app.config.setdefault(name, default)
        for bind in app.config["SQLALCHEMY_BINDS"]:
            self._make_metadata(bind)
        if app.config["SQLALCHEMY_TRACK_MODIFICATIONS"]:
            track_modifications._listen(self.session)  # noqa: SLF001 - as Flask-SQLAlchemy does
        build = current_build()
        if build is not None and build.creates_database:
            tenant_database(build.tenant, build.settings).create()

    @property
    def engines(self) -> Mapping[str | None, Engine]:
        """The engine of the current tenant, under ``None`` and each name of ``SQLALCHEMY_BINDS``.

        :raises NoTenantError: There is no tenant here.
        """
        settings, tenant = current_binding()
        engines: Mapping[str | None, Engine] | None = g.get(_ENGINES)
        if engines is None:
            engine = tenant_database(tenant, settings).serving_engine()
            if (watch := current_watch()) is not None:
                watch.listen(engine.dialect)
            binds = current_app.config.get("SQLALCHEMY_BINDS") or ()
            engines = dict.fromkeys((None, *binds), engine)
            # The same for the whole request: were the engine closed and made anew meanwhile, the
            # session would go on with a second connection, beside its own unfinished transaction.
            setattr(g, _ENGINES, engines)
        return engines

    def create_all(self, bind_key: Any = "__all__") -> None:
        """Create the tables that are missing; a prototype's call is repeated for each tenant."""
        watch = current_watch()
        if watch is not None:
            watch.tables.append(partial(self.create_all, bind_key))
        super().create_all(bind_key)

    def close(self, app: Flask) -> None:
        """Close what the app's tenant alone has open; a factory's ``dispose`` calls it."""
        # The app's own, and not the request's: that may already know of another placement.
        binding = app.extensions[EXTENSION]
        tenant_database(binding.tenant, binding.settings).close()

    def _teardown_session(self, _error: BaseException | None) -> None:
        try:
            self.session.remove()
        except DBAPIError as error:
            # The server went away after the view's last statement. What was committed is committed,
            # the rest is rolled back without us: the answer stands.
            log.warning(
                "a database was unavailable at the end of a request: %s", error.orig or error
            )
        finally:
            self.session.registry.clear()  # an error keeps remove() from it


def make_tables(app: object) -> None:
    """Make the tables of an app's models, if its database has none.

    Apps that leave it to a script or to their developer have nobody to do it for each tenant.
    """
    extension = app.extensions.get("sqlalchemy") if isinstance(app, Flask) else None
    if isinstance(app, Flask) and isinstance(extension, TenantSQLAlchemy):
        with app.app_context():
            if not inspect(extension.engine).get_table_names():
                extension.create_all()


_init_app = SQLAlchemy.init_app


@wraps(_init_app)
def _init_for_tenant(self: SQLAlchemy, app: Flask) -> None:
    """Register an extension that knows of no tenants; in a tenant's build it becomes one that does."""
    if current_build() is None:
        _init_app(self, app)
        return
    extension: Any = self
    extension.__class__ = _tenant_kind(extension.__class__)
    TenantSQLAlchemy.init_app(extension, app)


SQLAlchemy.init_app = _init_for_tenant  # type: ignore[method-assign]


@lru_cache(maxsize=64)
def _tenant_kind(kind: Any) -> type[TenantSQLAlchemy]:
    if issubclass(kind, TenantSQLAlchemy):
        return cast("type[TenantSQLAlchemy]", kind)
    if kind is SQLAlchemy:
        return TenantSQLAlchemy
    made = type(kind.__name__, (TenantSQLAlchemy, kind), {"__module__": kind.__module__})
    return cast("type[TenantSQLAlchemy]", made)
