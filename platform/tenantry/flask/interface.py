"""The shared look: base templates, form macros, and the addresses of the shared assets."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import flask_bootstrap
from flask import Blueprint, Flask, request

from tenantry.ui import TEMPLATES, asset_url


def init_ui(app: Flask) -> None:
    """Give *app* the templates ``ui/*.html``, Bootstrap's form macros and two helpers for templates.

    The assets themselves are served by the front door on every host, below ``/-/assets/``.
    """
    extension, helpers, config = _bootstrap()
    app.extensions["bootstrap"] = extension
    app.jinja_env.globals.update(helpers, asset=asset_url, request_id=request_id)
    app.jinja_env.add_extension("jinja2.ext.do")
    for name, value in config.items():
        app.config.setdefault(name, value)
    app.register_blueprint(
        Blueprint("bootstrap", flask_bootstrap.__name__, template_folder="templates")
    )
    app.register_blueprint(Blueprint("ui", __name__, template_folder=str(TEMPLATES)))


@lru_cache(maxsize=1)
def _bootstrap() -> tuple[object, dict[str, Any], dict[str, Any]]:
    """Return what Bootstrap-Flask gives an app, but for its route of static files.

    Those come from the front door; each app would serve them a second time, at another address.
    """
    app = Flask(__name__, static_folder=None)
    before = set(app.jinja_env.globals)
    extension = flask_bootstrap.Bootstrap5(app)
    helpers = {name: helper for name, helper in app.jinja_env.globals.items() if name not in before}
    config = {name: app.config[name] for name in app.config if name.startswith("BOOTSTRAP_")}
    return extension, helpers, config


def request_id() -> str:
    """Return the id under which this request is logged."""
    return str(request.environ.get("tenantry.request_id", ""))
