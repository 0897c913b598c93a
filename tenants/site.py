"""Putting a tenant's site together, and taking it apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from flask_wtf import CSRFProtect

from tenantry.databases.sqlite import confine
from tenantry.flask import init_security, init_tenant, init_ui, site_database
from tenants import comments, errors, feed, look, members, pages, posts
from tenants.access import login
from tenants.database import db
from tenants.management import Management

if TYPE_CHECKING:
    from tenantry.settings import Settings
    from tenantry.tenant import Tenant


class _Csrf(CSRFProtect):
    """Flask-WTF's check, without its hook: that one closes over the app that registers it."""

    def init_app(self, app: Flask) -> None:
        super().init_app(app)
        app.before_request_funcs[None][-1] = _check_token


csrf = _Csrf()


def _check_token() -> None:
    csrf.protect(apply_exemptions=True)


def create_app(tenant: Tenant, settings: Settings | None = None) -> Flask:
    """Build the tenant's site. It opens nothing and makes nothing: see :func:`provision`.

    Views ask ``current_tenant`` and ``current_app`` and never keep either, so that sites may share
    everything that does not belong to one tenant.
    """
    app = Flask("tenants", static_folder=None)
    init_tenant(app, tenant, settings=settings)
    database = site_database(tenant, app.extensions["tenantry"].settings)
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI=database.url,
        SQLALCHEMY_ENGINE_OPTIONS=database.engine_options,
        # The token lives as long as the session; an hour would lose what a slow writer wrote.
        WTF_CSRF_TIME_LIMIT=None,
        # init_security checks the origin, and without asking browsers for a Referer.
        WTF_CSRF_SSL_STRICT=False,
        # There is no remember-me cookie, and no cookie can have this name.
        REMEMBER_COOKIE_NAME="no;cookie",
    )
    init_security(app)
    init_ui(app)
    csrf.init_app(app)
    login.init_app(app)
    db.init_app(app)
    with app.app_context():
        confine(db.engine)

    app.context_processor(look.describe)
    errors.init_app(app)
    for module in (pages, feed, posts, comments, members):
        app.register_blueprint(module.bp)
    app.extensions["tenantry.management"] = Management()
    return app


def dispose(app: Flask) -> None:
    """Close the database connections of an app that serves no request any more."""
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()
