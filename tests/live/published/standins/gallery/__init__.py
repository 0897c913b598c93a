"""An app that knows nothing of tenants: members, uploaded pictures, a cached page, and mail.

It stands in for the many apps whose settings name one database, one folder and one sender for all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask, abort, request, send_from_directory, session
from flask_caching import Cache
from flask_mail import Mail, Message
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
cache = Cache()
mail = Mail()


class Config:
    """The same for all visitors, as an app's own settings are."""

    SECRET_KEY = "dev"
    SQLALCHEMY_DATABASE_URI = "sqlite:////srv/gallery/gallery.db"
    UPLOAD_FOLDER = "/srv/gallery/uploads"
    CACHE_TYPE = "FileSystemCache"
    CACHE_DIR = "/srv/gallery/cache"
    MAIL_PORT = int(os.environ.get("GALLERY_MAIL_PORT", "25"))
    MAIL_DEFAULT_SENDER = "Gallery <gallery@example.org>"


class Member(db.Model):  # type: ignore[name-defined, misc]
    """Somebody who has joined."""

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), nullable=False)


def create_app() -> Flask:
    """Return the app, in the shape that has no argument."""
    return finish(Flask(__name__), Config)


def finish(app: Flask, config: Any) -> Flask:
    """Give an app its settings, extensions and pages."""
    app.config.from_object(config)
    for extension in (db, cache, mail):
        extension.init_app(app)
    add_pages(app)
    with app.app_context():
        db.create_all()
    return app


def add_pages(app: Flask) -> None:
    """Add the pages."""

    @app.get("/")
    @cache.cached(timeout=300)
    def front() -> str:
        return "joined: " + ", ".join(db.session.scalars(db.select(Member.name)))

    @app.get("/members")
    def members() -> list[str]:
        return list(db.session.scalars(db.select(Member.name).order_by(Member.id)))

    @app.post("/join")
    def join() -> str:
        name = request.form["name"]
        db.session.add(Member(name=name))
        db.session.commit()
        session["member"] = name
        return "joined"

    @app.post("/invite")
    def invite() -> str:
        mail.send(Message("Come in", recipients=[request.form["to"]], body="A gallery for you."))
        return "sent"

    @app.get("/me")
    def me() -> str:
        return str(session.get("member") or abort(401))

    @app.post("/pictures")
    def add_picture() -> str:
        picture = request.files["picture"]
        picture.save(Path(app.config["UPLOAD_FOLDER"], Path(picture.filename or "").name))
        return "kept"

    @app.get("/pictures/<name>")
    def picture(name: str) -> Any:
        return send_from_directory(app.config["UPLOAD_FOLDER"], name)
