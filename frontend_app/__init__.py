"""The front app: what the platform is, which sites it has, and what to do about a free name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from frontend_app import errors, pages, unknown_names
from frontend_app.context import EXTENSION, Front
from tenantry import init_security, init_ui
from tenantry.flask.binding import init_platform

if TYPE_CHECKING:
    from tenantry import Settings
    from tenantry.catalog import Catalog


def create_app(*, settings: Settings, catalog: Catalog) -> Flask:
    """Build the app that answers on the apex, and on names that no tenant has."""
    app = Flask(__name__, static_folder=None)
    init_platform(app, "front", settings=settings)
    app.extensions[EXTENSION] = Front(settings, catalog)
    # Before anything else: a free name is answered the same whatever was asked for.
    app.before_request(unknown_names.answer_unknown)
    init_security(app)
    init_ui(app)
    pages.init_pages(app)
    app.register_blueprint(pages.bp)
    errors.init_errors(app)
    app.wsgi_app = unknown_names.UnknownNames(  # type: ignore[method-assign]
        app.wsgi_app, domain=settings.domain, backend_label=settings.backend_label
    )
    return app
