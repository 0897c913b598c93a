"""The backend: one app for operators and owners, and the host decides how much of it there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_wtf import CSRFProtect
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from backend_app import (
    accounts,
    all_backups,
    all_domains,
    announcements,
    api_page,
    api_tokens,
    audit,
    backups,
    bulk,
    create_many,
    doctor,
    domains,
    errors,
    finding,
    front_page,
    home,
    imports,
    jobs,
    mail,
    migrations,
    nodes,
    operations,
    own_jobs,
    own_operations,
    own_site,
    plans,
    sections,
    settings_page,
    sign_in,
    site,
    tenants,
    webhooks,
    workers,
)
from backend_app.access import check_access, require_audiences
from backend_app.api import PREFIX, create_api
from backend_app.context import EXTENSION, Backend
from backend_app.row_numbers import init_row_numbers
from backend_app.scope import set_scope
from backend_app.session import load_session
from backend_app.views import init_views
from tenantry import init_security, init_ui
from tenantry.flask.account_sessions import init_accounts
from tenantry.flask.bodies import limit_bodies

if TYPE_CHECKING:
    from tenantry import Settings
    from tenantry.catalog import Catalog
    from tenantry.factory import Factory
    from tenantry.pool import InstancePool

MAX_FORM = 256 * 1024
"""Bytes of the largest form: there are only short ones here (R48)."""

BLUEPRINTS = (
    home.bp,
    finding.bp,
    sign_in.bp,
    tenants.bp,
    operations.bp,
    bulk.bp,
    create_many.bp,
    jobs.bp,
    backups.bp,
    all_backups.bp,
    imports.bp,
    migrations.bp,
    all_domains.bp,
    announcements.bp,
    plans.bp,
    workers.bp,
    nodes.bp,
    doctor.bp,
    settings_page.bp,
    accounts.bp,
    audit.bp,
    api_page.bp,
    api_tokens.bp,
    webhooks.bp,
    mail.bp,
    front_page.bp,
    site.bp,
    domains.bp,
    own_site.bp,
    own_operations.bp,
    own_jobs.bp,
    sections.bp,
)


def create_app(
    *,
    settings: Settings,
    catalog: Catalog,
    factory: Factory,
    pool: InstancePool[Any],
) -> Flask:
    """Build the backend, to be mounted at ``/backend``.

    It expects what the front door found: ``environ["tenantry.host"]``, and on a tenant's host
    ``environ["tenantry.tenant"]``.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM
    init_row_numbers(app)
    limit_bodies(app, settings)
    init_accounts(app, settings=settings)
    app.extensions[EXTENSION] = backend = Backend(settings, catalog, factory, pool)
    # The order is the order of the checks: which scope, from which origin, who, may they, token.
    app.before_request(set_scope)
    init_security(app)
    app.before_request(load_session)
    app.before_request(check_access)
    CSRFProtect(app)
    init_ui(app)
    init_views(app)
    workers.init_workers(app)
    errors.init_errors(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    require_audiences(app)
    api = create_api(backend)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {PREFIX: api})  # type: ignore[method-assign]
    return app
