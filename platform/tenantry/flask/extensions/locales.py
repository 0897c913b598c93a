"""Flask-Babel: the default language and time zone are those of the app at work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

NAME = "babel"


def bind(prototype: Flask, app: Flask) -> None:
    """Read one tenant's settings, if they differ from the prototype's."""
    shared = prototype.extensions.get(NAME)
    if shared is None:
        return
    own = {
        "default_locale": app.config.get("BABEL_DEFAULT_LOCALE", shared.default_locale),
        "default_timezone": app.config.get("BABEL_DEFAULT_TIMEZONE", shared.default_timezone),
    }
    if any(getattr(shared, name) != value for name, value in own.items()):
        app.extensions[NAME] = replace(shared, **own)
