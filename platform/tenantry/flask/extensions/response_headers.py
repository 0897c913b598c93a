"""Flask-Talisman: it asks the app at work, and not the one that was set up last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_talisman import Talisman

from tenantry.flask.app_proxies import THE_APP

if TYPE_CHECKING:
    from flask import Flask


def adapt(app: Flask) -> None:
    """Let the extension of a module, which each build sets up, find the app at work."""
    for function in app.before_request_funcs.get(None, ()):
        talisman = getattr(function, "__self__", None)
        if isinstance(talisman, Talisman):
            talisman.app = THE_APP
