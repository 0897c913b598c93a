"""An app of 40 routes that knows of no tenants, as people write one; `make bench-adopt` measures it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, redirect, render_template_string, request, url_for
from flask.views import MethodView
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect, FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

db = SQLAlchemy()
login = LoginManager()
csrf = CSRFProtect()

PAGE = """<!doctype html><title>{{ config.TITLE }}</title>
<h1>{{ title }}</h1>
{% for row in rows %}<p><a href="{{ url_for('shop.index') }}">{{ row.name }}</a></p>{% endfor %}
<form method="post">{{ form.csrf_token }}{{ form.name() }}</form>
{% if current_user.is_authenticated %}{{ current_user.name }}{% endif %}"""

SECTIONS = ("products", "orders", "customers", "invoices", "suppliers", "pages", "reports")


class User(UserMixin, db.Model):  # type: ignore[name-defined, misc]
    """Who may sign in."""

    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80), unique=True)


class Row(db.Model):  # type: ignore[name-defined, misc]
    """A thing of some section."""

    id = db.Column(db.Integer, primary_key=True)
    section = db.Column(db.String(20), index=True)
    name = db.Column(db.String(80))


class NameForm(FlaskForm):  # type: ignore[misc]
    """Asks for a name."""

    name = StringField(validators=[InputRequired()])


@login.user_loader  # type: ignore[untyped-decorator]
def load_user(number: str) -> User | None:
    """Return who is signed in."""
    return db.session.get(User, int(number))


def show(title: str, section: str) -> str:
    """Return a page of a section."""
    rows = db.session.scalars(db.select(Row).filter_by(section=section).limit(20)).all()
    return render_template_string(PAGE, title=title, rows=rows, form=NameForm())


class Rows(MethodView):
    """Lists a section's rows, and adds one."""

    def __init__(self, section: str) -> None:
        self.section = section

    def get(self) -> Any:
        """List them."""
        return show(self.section, self.section)

    @login_required  # type: ignore[untyped-decorator]
    def post(self) -> Any:
        """Add one."""
        form = NameForm()
        if form.validate_on_submit():
            db.session.add(Row(section=self.section, name=form.name.data))
            db.session.commit()
        return redirect(request.path)


class OneRow(MethodView):
    """Shows, changes and removes a row."""

    def __init__(self, section: str) -> None:
        self.section = section

    def get(self, number: int) -> Any:
        """Show it."""
        return show(db.get_or_404(Row, number).name, self.section)

    @login_required  # type: ignore[untyped-decorator]
    def put(self, number: int) -> Any:
        """Change it."""
        db.get_or_404(Row, number).name = request.form["name"]
        db.session.commit()
        return redirect(request.path)


def create_app() -> Flask:
    """Return the shop."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",  # noqa: S106 - as tutorials write it
        SQLALCHEMY_DATABASE_URI="sqlite:///shop.db",
        TITLE="Shop",
    )
    db.init_app(app)
    login.init_app(app)
    csrf.init_app(app)
    with app.app_context():
        db.create_all()
    shop = Blueprint("shop", __name__)

    @shop.get("/")
    def index() -> Any:
        app.logger.debug("asked for %s", request.path)
        return show(app.config["TITLE"], "products")

    @shop.post("/sign-in")
    def sign_in() -> Any:
        form = NameForm()
        user = db.session.scalar(db.select(User).filter_by(name=form.name.data))
        if user is not None:
            login_user(user)
        return redirect(url_for("shop.index"))

    @shop.get("/me")
    @login_required  # type: ignore[untyped-decorator]
    def me() -> Any:
        return show(current_user.name, "orders")

    for section in SECTIONS:
        path = f"/{section}/"
        shop.add_url_rule(path, view_func=Rows.as_view(section, section))
        shop.add_url_rule(
            f"{path}<int:number>", view_func=OneRow.as_view(f"{section}_row", section)
        )
        for part in ("export", "archive", "search"):
            shop.add_url_rule(
                f"{path}{part}",
                f"{section}_{part}",
                lambda section=section, part=part: show(f"{section} {part}", section),
            )
    app.register_blueprint(shop)
    return app
