"""Planted: two builds at once disturb each other."""

import time

from flask import Flask

building: list[int] = []  # trap


def create_app() -> Flask:
    """Build one tenant's app, if no other one is being built."""
    building.append(1)
    try:
        time.sleep(0.05)
        if len(building) > 1:
            raise RuntimeError("another app is being configured")
        app = Flask(__name__)
        app.add_url_rule("/", view_func=lambda: "Welcome")
        return app
    finally:
        building.pop()
