"""The commonest extensions of Flask on a flyweight: each works as its manual says, or is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask, Response, jsonify, request
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantry import Flyweight, Tenant, TenantSQLAlchemy, tenant_database

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tenantry import Settings

# A prototype is searched for in the whole heap, which is small in the suite's first part.
pytestmark = pytest.mark.heap

ACME = Tenant(id="a" * 32, slug="acme", name="Acme")
GLOBEX = Tenant(id="b" * 32, slug="globex", name="Globex")


class Base(DeclarativeBase):
    """Base of the models."""


class User(UserMixin, Base):  # type: ignore[misc]
    """Who may sign in."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))


def forms() -> Flask:
    app = Flask("forms")
    csrf = CSRFProtect(app)

    @app.get("/token")
    def token() -> str:
        return str(generate_csrf())

    @app.post("/")
    def send() -> str:
        return "sent"

    @app.post("/hook")
    @csrf.exempt  # type: ignore[untyped-decorator]
    def hook() -> str:
        return "heard"

    return app


def signing_in() -> Flask:
    app = Flask("signing in")
    login = LoginManager(app)

    class Person(UserMixin):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            self.id = name

    @login.user_loader  # type: ignore[untyped-decorator]
    def load(name: str) -> Person:
        return Person(name)

    @app.post("/in/<name>")
    def sign_in(name: str) -> str:
        login_user(Person(name), remember=True)
        return "in"

    @app.get("/")
    @login_required  # type: ignore[untyped-decorator]
    def home() -> str:
        return str(current_user.id)

    return app


def clients(site: Flyweight, settings: Settings) -> tuple[FlaskClient, FlaskClient]:
    """Return a client of each of two tenants."""
    acme, globex = (site.instance(tenant, settings=settings) for tenant in (ACME, GLOBEX))
    return acme.test_client(), globex.test_client()


def test_csrf_protect_checks_each_tenants_own_tokens(settings: Settings) -> None:
    """A post needs a token of this very site; another one's is refused, an exempt view is not."""
    acme, globex = clients(Flyweight(forms), settings)
    token = acme.get("/token").text
    assert acme.post("/").status_code == 400
    assert acme.post("/", data={"csrf_token": token}).text == "sent"
    globex.get("/token")
    assert globex.post("/", data={"csrf_token": token}).status_code == 400
    assert globex.post("/hook").text == "heard"


def test_csrf_protect_obeys_each_tenants_own_config(settings: Settings) -> None:
    """What ``bind`` writes into one tenant's config holds for that tenant alone."""
    site = Flyweight(
        forms, bind=lambda app, tenant: app.config.update(WTF_CSRF_ENABLED=tenant == ACME)
    )
    acme, globex = clients(site, settings)
    assert acme.post("/").status_code == 400
    assert globex.post("/").text == "sent"


def test_flask_login_signs_in_to_one_tenant(settings: Settings) -> None:
    """Who is signed in to one site is a stranger on the next, with the same cookies."""
    acme, globex = clients(Flyweight(signing_in), settings)
    signed_in = acme.post("/in/ann")
    for cookie in signed_in.headers.getlist("Set-Cookie"):
        name, _, value = cookie.partition(";")[0].partition("=")
        globex.set_cookie(name, value)
    assert acme.get("/").text == "ann"
    assert globex.get("/").status_code == 401


def test_create_all_makes_each_tenants_tables(any_settings: Settings) -> None:
    """A factory without revisions makes its tables with ``create_all()``, on either kind of server."""
    db = TenantSQLAlchemy(model_class=Base)

    def build() -> Flask:
        app = Flask("people")
        db.init_app(app)

        @app.post("/<name>")
        def add(name: str) -> str:
            db.session.add(User(name=name))
            db.session.commit()
            return name

        @app.get("/")
        def people() -> Response:
            return jsonify(list(db.session.scalars(select(User.name))), request.path)

        return app

    site = Flyweight(build)
    apps = [site.instance(tenant, settings=any_settings) for tenant in (ACME, GLOBEX)]
    for app, tenant in zip(apps, (ACME, GLOBEX), strict=True):
        tenant_database(tenant, any_settings).create()
        with app.app_context():
            db.create_all()
    apps[0].test_client().post("/ann")
    assert [app.test_client().get("/").json for app in apps] == [[["ann"], "/"], [[], "/"]]
    for app in apps:
        db.close(app)
