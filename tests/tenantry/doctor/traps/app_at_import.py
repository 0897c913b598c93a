"""Planted: an app that is made when the module is imported."""

from flask import Flask


def create_app() -> Flask:
    """Build one tenant's app."""
    made = Flask(__name__)
    made.add_url_rule("/", view_func=lambda: "Welcome")
    return made


app = create_app()  # trap
