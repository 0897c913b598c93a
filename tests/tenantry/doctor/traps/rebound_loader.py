"""Planted: a loader of members that asks the app that was built last."""

from flask import Flask
from flask_login import LoginManager

login = LoginManager()


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    login.init_app(app)

    @login.user_loader
    def load(number: str) -> object:  # trap
        return app.config["MEMBERS"].get(number)

    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
