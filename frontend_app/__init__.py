"""The front app: what the platform is, which sites it has, signing up for one, and accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_wtf import CSRFProtect

from frontend_app import (
    changed_terms,
    errors,
    look,
    own_account,
    own_sites,
    pages,
    people,
    provider,
    second_factors,
    sign_in,
    sign_up,
    unknown_names,
    views,
)
from frontend_app.context import EXTENSION, Front
from frontend_app.hosts import keep_to_host
from tenantry import init_security, init_ui
from tenantry.flask.account_sessions import init_accounts

if TYPE_CHECKING:
    from tenantry import Settings
    from tenantry.catalog import Catalog
    from tenantry.factory import Factory
    from tenantry.pool import InstancePool

MAX_FORM = 256 * 1024
"""Bytes of the largest form: there are only short ones here (R48)."""

BLUEPRINTS = (
    pages.bp,
    look.bp,
    sign_up.bp,
    sign_in.bp,
    changed_terms.bp,
    second_factors.signing_in,
    provider.bp,
    people.invited,
    own_account.bp,
    own_account.links,
    second_factors.bp,
)


def create_app(
    *, settings: Settings, catalog: Catalog, factory: Factory, pool: InstancePool[Any]
) -> Flask:
    """Build the app that answers on the apex, and on names that no tenant has."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM
    init_accounts(app, settings=settings)
    app.extensions[EXTENSION] = Front(settings, catalog, factory, pool)
    # Before anything else: a free name is answered the same whatever was asked for.
    app.before_request(unknown_names.answer_unknown)
    app.before_request(keep_to_host)
    init_security(app)
    CSRFProtect(app)
    init_ui(app)
    views.init_views(app)
    provider.init_provider(app, settings)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    # Path-routed sites may be where these pages would be.
    sites = settings.own_sites_url.removeprefix(settings.accounts_url)
    app.register_blueprint(own_sites.bp, url_prefix=f"/{sites}")
    app.register_blueprint(people.bp, url_prefix=f"/{sites}/<slug>/people")
    errors.init_errors(app)
    app.wsgi_app = unknown_names.UnknownNames(  # type: ignore[method-assign]
        app.wsgi_app,
        domain=settings.domain,
        backend_label=settings.backend_label,
        find_look=lambda: catalog.front_pages.get().revision,
    )
    return app
