"""No trap: a site without sign-up, with a page for members and an API with tokens."""

import secrets

from flask import Flask, abort, current_app, request, session

FORM = "<form method=post action=/login><input type=hidden name=key value={key}>{fields}</form>"
FIELDS = "<input name=name><input type=password name=password>"


def login() -> object:
    """Sign a member in, by form or by JSON."""
    if request.method == "GET":
        session["key"] = secrets.token_hex(8)
        return FORM.format(key=session["key"], fields=FIELDS)
    if request.form.get("key") != session.get("key"):
        abort(400)
    if request.form["password"] != "secret":
        return FORM.format(key=session["key"], fields=FIELDS)
    session["name"] = request.form["name"]
    session["token"] = current_app.secret_key
    return {"access_token": session["token"]}


def members() -> str:
    """Greet a member."""
    return f"Welcome, {session['name']}" if "name" in session else abort(403)


def orders() -> str:
    """Answer a program that has the token."""
    sent = request.headers.get("Authorization", "")
    return "none" if sent == f"Bearer {current_app.secret_key}" else abort(401)


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.add_url_rule("/login", view_func=login, methods=["GET", "POST"])
    app.add_url_rule("/members", view_func=members)
    app.add_url_rule("/api/orders", view_func=orders)
    return app
