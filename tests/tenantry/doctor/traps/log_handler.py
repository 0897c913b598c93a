"""Planted: each build adds a handler to a logger of the process."""

import logging

from flask import Flask


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    logging.getLogger("shop.orders").addHandler(logging.StreamHandler())  # trap
    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
