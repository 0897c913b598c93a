"""Planted: a listener for all engines of the process, which each build adds."""

from typing import Any

from flask import Flask
from sqlalchemy import event
from sqlalchemy.engine import Engine


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)

    @event.listens_for(Engine, "connect")  # trap
    def set_pragma(connection: Any, _record: Any) -> None:
        app.logger.debug("connected %s", connection)

    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
