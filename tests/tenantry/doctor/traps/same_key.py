"""Planted: tokens are signed with a key that is the same for every tenant."""

from flask import Flask, current_app, make_response, request
from itsdangerous import BadSignature, URLSafeSerializer

FORM = "<form method=post><input name=name></form>"


def home() -> object:
    """Know a visitor by a token that the app signs."""
    serializer = URLSafeSerializer(current_app.config["TOKEN_SECRET"])
    if request.method == "POST":
        answer = make_response(FORM)
        answer.set_cookie("token", serializer.dumps("known"))
        return answer
    try:
        serializer.loads(request.cookies.get("token", ""))
    except BadSignature:
        return f"{FORM}\nWho are you?"
    return f"{FORM}\nWelcome back"


def create_app() -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.config["TOKEN_SECRET"] = "everybody's"
    app.add_url_rule("/", view_func=home, methods=["GET", "POST"])
    return app
