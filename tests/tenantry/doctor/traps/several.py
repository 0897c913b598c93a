"""Several traps in one app, so that one examination finds all of them."""

import engine_listener
import log_handler
import loggers_switched_off
import same_key
import shared_file
import shared_sessions
import wiping_provision
from flask import Flask
from wiping_provision import provision  # noqa: F401 - a hook

POST = ["GET", "POST"]


def create_app() -> Flask:
    """Build one tenant's app; the others are built for what they leave in the process."""
    for trap in (engine_listener, log_handler, loggers_switched_off):
        trap.create_app()
    app = Flask(__name__)
    app.session_interface = shared_sessions.store
    app.config["TOKEN_SECRET"] = "everybody's"
    wiping_provision.db.init_app(app)
    app.add_url_rule("/", "sessions", shared_sessions.home, methods=POST)
    app.add_url_rule("/token", "token", same_key.home, methods=POST)
    app.add_url_rule("/file", "file", shared_file.home)
    app.add_url_rule("/orders", "orders", wiping_provision.home, methods=POST)
    return app
