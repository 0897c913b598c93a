"""A full app for each tenant with the usual extensions, as the application factory pattern has them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flask import Flask, redirect, render_template_string, request
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantry import site_database

if TYPE_CHECKING:
    from werkzeug import Response

    from tenantry import Tenant

log = logging.getLogger(__name__)


class Base(DeclarativeBase):
    """Base of the models."""


db = SQLAlchemy(model_class=Base)
login = LoginManager()
csrf = CSRFProtect()


class User(UserMixin, Base):  # type: ignore[misc]
    """Somebody who signed up."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(200))


@login.user_loader  # type: ignore[untyped-decorator]
def load(user_id: str) -> User | None:
    """Return who is signed in."""
    return db.session.get(User, int(user_id))


def home() -> str:
    """List everybody, and let one more in."""
    people = db.session.scalars(select(User)).all()
    log.info("%d people", len(people))
    return render_template_string(
        "{% for user in people %}<a href='/people/{{ user.id }}'>{{ user.email }}</a>{% endfor %}"
        "<form method=post><input type=hidden name=csrf_token value='{{ csrf_token() }}'>"
        "<input type=email name=email></form>",
        people=people,
    )


def sign_up() -> Response:
    """Sign up, and in."""
    user = User(email=request.form["email"])
    db.session.add(user)
    db.session.commit()
    login_user(user)
    return redirect("/me")


@login_required  # type: ignore[untyped-decorator]
def me() -> str:
    """Say who is signed in."""
    return str(current_user.email)


def person(number: int) -> str:
    """Show somebody."""
    return db.get_or_404(User, number).email


def create_app(tenant: Tenant) -> Flask:
    """Build one tenant's app."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = site_database(tenant).url
    for extension in (db, login, csrf):
        extension.init_app(app)
    app.add_url_rule("/", view_func=home)
    app.add_url_rule("/", view_func=sign_up, methods=["POST"])
    app.add_url_rule("/me", view_func=me)
    app.add_url_rule("/people/<int:number>", view_func=person)
    return app


def provision(tenant: Tenant) -> None:
    """Make the tenant's tables."""
    site_database(tenant).create()
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = site_database(tenant).url
    db.init_app(app)
    with app.app_context():
        db.create_all()
    dispose(app)


def dispose(app: Flask) -> None:
    """Close the database."""
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()
