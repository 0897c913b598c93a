"""A Flask-SQLAlchemy extension whose engine is the current tenant's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.exc import DBAPIError

from tenantry.databases.placements import tenant_database
from tenantry.flask.binding import EXTENSION, current_binding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

_ENGINES = "_tenantry_engines"


class TenantSQLAlchemy(SQLAlchemy):
    """One extension object for every tenant: models and sessions are shared, engines are not.

    Which engine it is follows from the app that is at work, so that ORM, Core and ``text()`` are
    all confined to the tenant's own database. Nothing is opened before it is needed. Use it at
    module level and call ``init_app`` on each app, or once on a flyweight's prototype.
    """

    def init_app(self, app: Flask) -> None:
        """Register the extension on *app*; unlike Flask-SQLAlchemy's, it makes no engine."""
        app.extensions["sqlalchemy"] = self
        app.teardown_appcontext(self._teardown_session)

    @property
    def engines(self) -> Mapping[str | None, Engine]:
        """The engine of the current tenant, under the key ``None``.

        :raises NoTenantError: There is no tenant here.
        """
        settings, tenant = current_binding()
        engines: Mapping[str | None, Engine] | None = g.get(_ENGINES)
        if engines is None:
            engines = {None: tenant_database(tenant, settings).serving_engine()}
            # The same for the whole request: were the engine closed and made anew meanwhile, the
            # session would go on with a second connection, beside its own unfinished transaction.
            setattr(g, _ENGINES, engines)
        return engines

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
