"""Planted: both tenants write one file."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from flask import Flask

ORDERS = Path(tempfile.gettempdir(), "tenantry-doctor-planted-orders.sqlite")
FILE = f"{ORDERS}"


def home() -> str:
    """Count the visitors."""
    with closing(sqlite3.connect(FILE)) as connection, connection:  # trap
        connection.execute("CREATE TABLE IF NOT EXISTS visitor (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO visitor DEFAULT VALUES")
    return "Welcome"


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=home)
    return app
