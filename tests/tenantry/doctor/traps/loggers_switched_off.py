"""Planted: each build configures the log, which switches off the loggers that are there."""

import logging.config

from flask import Flask

log = logging.getLogger("planted.before")


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    logging.config.dictConfig({"version": 1})  # trap
    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
