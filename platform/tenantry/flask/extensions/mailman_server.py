"""Flask-Mailman: server and sender are those of the app at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask_mailman import Mail
from werkzeug.local import LocalProxy

from tenantry.flask.app_proxies import find_app
from tenantry.flask.rebinding import rebind

if TYPE_CHECKING:
    from flask import Flask

NAME = "mailman"


def share(prototype: Flask) -> None:
    """Lead the extension to the settings of the app at work."""
    if NAME in prototype.extensions:
        state = LocalProxy(lambda: find_app().extensions[NAME])
        rebind(prototype.extensions.pop(NAME), state)
        prototype.extensions[NAME] = None


def bind(prototype: Flask, app: Flask) -> None:
    """Read the settings of one tenant's app."""
    if NAME in prototype.extensions:
        app.extensions[NAME] = Mail().init_mail(app.config, app.testing)
