"""Planted: visitors are counted by their address, at all tenants together."""

from collections import Counter

from flask import Flask, request

tries: Counter[str] = Counter()  # trap


def home() -> str:
    """Count the visitor."""
    tries[request.remote_addr or ""] += 1
    return "Welcome"


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
