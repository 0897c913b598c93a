"""Planted: connections that are not the tenant's."""

import sqlite3

from flask import Flask
from sqlalchemy import create_engine, text


def home() -> str:
    """Ask two databases."""
    with create_engine("sqlite://").connect() as connection:  # trap
        connection.execute(text("SELECT 1"))
    sqlite3.connect("/tmp/tenantry-doctor-planted.sqlite").close()  # noqa: S108  # trap
    return "Welcome"


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
