"""Planted: a store on the network whose keys are the same for every tenant."""

import redis
from flask import Flask

store = redis.Redis()  # trap


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "Welcome")
    return app
