"""Planted: an app that is handed to a thread, which outlives the request."""

import threading
from typing import Any

from flask import Flask, current_app


def send(app: Flask) -> None:
    """Send what is to be sent."""
    with app.app_context():
        app.logger.debug("sent")


def home() -> str:
    """Let a thread send a letter."""
    app: Any = current_app
    kept = current_app._get_current_object()  # trap
    threading.Thread(target=send, args=(kept,)).start()
    return f"Welcome to {app.name}"


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
