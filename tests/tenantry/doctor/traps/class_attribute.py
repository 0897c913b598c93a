"""Planted: a class attribute that each build sets, as a wiki keeps the secrets of its last one."""

from flask import Flask


class Wiki:
    """The settings of the wiki."""

    secrets = ""


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    Wiki.secrets = app.secret_key  # trap
    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
