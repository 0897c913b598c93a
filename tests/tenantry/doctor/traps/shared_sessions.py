"""Planted: one store of sessions for all tenants, whose cookies are accepted everywhere."""

import secrets
from typing import Any

from flask import Flask, Request, Response, request, session
from flask.sessions import SecureCookieSession, SessionInterface, SessionMixin


class Store(SessionInterface):
    """Keeps sessions in memory."""

    kept: dict[str, dict[str, Any]] = {}  # trap  # noqa: RUF012

    def open_session(self, _app: Flask, request: Request) -> SecureCookieSession:
        """Return the session of the cookie."""
        return SecureCookieSession(self.kept.get(request.cookies.get("sid", ""), {}))

    def save_session(self, _app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep the session, and send its cookie."""
        if session.modified:
            number = secrets.token_hex(8)
            self.kept[number] = dict(session)
            response.set_cookie("sid", number)


store = Store()


def home() -> str:
    """Greet a visitor by name."""
    if request.method == "POST":
        session["name"] = request.form["name"]
    form = "<form method=post><input name=name></form>"
    return f"{form}\n{'Welcome back' if 'name' in session else 'Who are you?'}"


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.session_interface = store
    app.add_url_rule("/", view_func=home, methods=["GET", "POST"])
    return app
