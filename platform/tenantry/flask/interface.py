"""The shared look: base templates, form macros, and the addresses of the shared assets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, request

from tenantry.environ import REQUEST_ID
from tenantry.ui import TEMPLATES, asset_url

if TYPE_CHECKING:
    from flask import Flask


def init_ui(app: Flask) -> None:
    """Give *app* the templates ``ui/*.html`` and two helpers for templates.

    The assets themselves are served by the front door on every host, below ``/-/assets/``.
    """
    app.jinja_env.globals.update(asset=asset_url, request_id=request_id)
    app.register_blueprint(Blueprint("ui", __name__, template_folder=str(TEMPLATES)))


def request_id() -> str:
    """Return the id under which this request is logged."""
    return str(request.environ.get(REQUEST_ID, ""))
