"""Apps that know of no tenants, one for each extension, as its manual writes them; and what must hold.

A row's ``make`` returns a factory, with the extension beside it as a module has it. Its ``check`` is
given the apps of two tenants, which share all that one process shares.
"""

from __future__ import annotations

import gzip
import inspect
import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import marshmallow
from cachelib import SimpleCache
from flask import Flask, Response, current_app, jsonify, request, session
from flask.views import MethodView
from flask_admin import Admin
from flask_admin.contrib.sqla import ModelView
from flask_babel import Babel, format_decimal, get_locale
from flask_caching import Cache
from flask_compress import Compress
from flask_cors import CORS
from flask_debugtoolbar import DebugToolbarExtension
from flask_httpauth import HTTPBasicAuth
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_mail import Mail, Message, email_dispatched
from flask_mailman import EmailMessage
from flask_mailman import Mail as Mailman
from flask_migrate import Migrate
from flask_principal import (
    Identity,
    Permission,
    Principal,
    RoleNeed,
    identity_changed,
    identity_loaded,
)
from flask_restful import Api as RestApi
from flask_restful import Resource, abort
from flask_security import (
    Security,
    SQLAlchemyUserDatastore,
    auth_required,
    hash_password,
)
from flask_security.models import fsqla_v3 as fsqla
from flask_session import Session
from flask_smorest import Api, Blueprint
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy_lite import SQLAlchemy as Lite
from flask_talisman import Talisman
from flask_wtf import CSRFProtect
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Column, Integer, String, select
from sqlalchemy.orm import DeclarativeBase

from tenantry.flask import extensions
from tenantry.flask.building import Build, building, check_built
from tenantry.flask.flyweight import SharedFactory
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.testing import FlaskClient

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant


@dataclass(frozen=True)
class Row:
    """An extension, an app that uses it, and the check of two tenants' apps."""

    name: str
    make: Callable[[], Callable[..., Flask]]
    check: Callable[[Flask, Flask], None]
    refused: str = ""
    """What the refusal of a flyweight says; empty if it works."""


ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")


def of_tenant(create_app: Callable[..., Flask]) -> Callable[[Tenant], Flask]:
    """Return what passes the tenant to a factory that takes one."""
    takes = bool(inspect.signature(create_app).parameters)
    return lambda tenant: create_app(tenant) if takes else create_app()


def full(create_app: Callable[..., Flask], settings: Settings) -> list[Flask]:
    apps = []
    build_app = of_tenant(create_app)
    extensions.install()
    for tenant in (ACME, GLOBEX):
        build = Build(tenant, settings, creates_database=True)
        with building(build):
            app = build_app(tenant)
        check_built(app, build, factory="test")
        extensions.adapt(app)
        apps.append(app)
    return apps


def flyweight(create_app: Callable[..., Flask], settings: Settings) -> list[Flask]:
    shared = SharedFactory(of_tenant(create_app))
    return [
        shared.instance(Build(tenant, settings, creates_database=True)) for tenant in (ACME, GLOBEX)
    ]


KINDS = {"full": full, "flyweight": flyweight}


def clients(*apps: Flask) -> tuple[FlaskClient, ...]:
    return tuple(app.test_client() for app in apps)


def take_cookies(source: Response, target: FlaskClient) -> None:
    """Give a browser's cookies of one tenant to another tenant's browser, as a thief would."""
    for header in source.headers.getlist("Set-Cookie"):
        name, _, value = header.partition(";")[0].partition("=")
        target.set_cookie(name, value)


def wtf() -> Callable[..., Flask]:
    csrf = CSRFProtect()

    def create_app() -> Flask:
        app = Flask("forms")
        app.config["SECRET_KEY"] = "dev"
        csrf.init_app(app)
        app.add_url_rule("/", "token", lambda: str(generate_csrf()))
        app.add_url_rule("/", "send", lambda: "sent", methods=["POST"])
        return app

    return create_app


def check_wtf(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    page = acme.get("/")
    assert acme.post("/").status_code == 400
    assert acme.post("/", data={"csrf_token": page.text}).text == "sent"
    take_cookies(page, globex)  # type: ignore[arg-type]
    assert globex.post("/", data={"csrf_token": page.text}).status_code == 400


def sqlalchemy() -> Callable[..., Flask]:
    db = SQLAlchemy()

    class Item(db.Model):  # type: ignore[name-defined, misc]
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(80))

    def create_app() -> Flask:
        app = Flask("shop")
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db.init_app(app)
        with app.app_context():
            db.create_all()

        @app.post("/<name>")
        def add(name: str) -> str:
            db.session.add(Item(name=name))
            db.session.commit()
            return name

        @app.get("/")
        def names() -> list[str]:
            return list(db.session.scalars(db.select(Item.name)))

        return app

    return create_app


def check_rows(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    assert acme.post("/ann").text == "ann"
    assert globex.post("/bob").text == "bob"
    assert (acme.get("/").json, globex.get("/").json) == (["ann"], ["bob"])


def sqlalchemy_lite() -> Callable[..., Flask]:
    db = Lite()

    class Base(DeclarativeBase):
        pass

    class Item(Base):
        __tablename__ = "item"
        id = Column(Integer, primary_key=True)
        name = Column(String(80))

    def create_app() -> Flask:
        app = Flask("lite")
        app.config["SQLALCHEMY_ENGINES"] = {"default": "sqlite:///lite.db"}
        db.init_app(app)
        app.cli.command("init-db")(lambda: Base.metadata.create_all(db.engine))

        @app.post("/<name>")
        def add(name: str) -> str:
            db.session.add(Item(name=name))
            db.session.commit()
            return name

        @app.get("/")
        def names() -> list[str]:
            return list(db.session.scalars(select(Item.name)))

        return app

    return create_app


def check_sqlalchemy_lite(first: Flask, second: Flask) -> None:
    for app in (first, second):
        assert app.test_cli_runner().invoke(args=["init-db"]).exit_code == 0
    check_rows(first, second)


def login() -> Callable[..., Flask]:
    manager = LoginManager()

    class Person(UserMixin):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            self.id = name

    manager.user_loader(Person)

    def create_app() -> Flask:
        app = Flask("members")
        app.secret_key = "dev"
        manager.init_app(app)

        @app.post("/in/<name>")
        def sign_in(name: str) -> str:
            login_user(Person(name), remember=True)
            return "in"

        @app.get("/")
        @login_required  # type: ignore[untyped-decorator]
        def home() -> str:
            return f"{current_user.id} of {app.extensions['tenantry'].tenant.slug}"

        return app

    return create_app


def check_login(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    take_cookies(acme.post("/in/ann"), globex)  # type: ignore[arg-type]
    assert acme.get("/").text == "ann of acme"
    assert globex.get("/").status_code == 401


def migrate() -> Callable[..., Flask]:
    db, migrations = SQLAlchemy(), Migrate()

    class Item(db.Model):  # type: ignore[name-defined, misc]
        id = db.Column(db.Integer, primary_key=True)

    def create_app() -> Flask:
        app = Flask("migrated")
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db.init_app(app)
        migrations.init_app(app, db)

        @app.get("/")
        def database() -> dict[str, Any]:
            extension = current_app.extensions["migrate"]
            url = extension.db.engine.url.database
            return {"of": url, "metadata": Item.__tablename__ in extension.db.metadata.tables}

        return app

    return create_app


def check_migrate(first: Flask, second: Flask) -> None:
    for app in (first, second):
        answer: Any = app.test_client().get("/").json
        assert answer["of"].startswith(app.instance_path)
        assert answer["metadata"]
        assert "upgrade" in app.test_cli_runner().invoke(args=["db", "--help"]).output


def babel() -> Callable[..., Flask]:
    babel = Babel()

    def create_app(tenant: Any) -> Flask:
        app = Flask("languages")
        app.config["LANGUAGE"] = {"acme": "de", "globex": "fr"}
        babel.init_app(
            app,
            locale_selector=lambda: request.args.get("l") or app.config["LANGUAGE"][tenant.slug],
        )
        app.get("/")(lambda: f"{get_locale()} {format_decimal(1234.5)}")
        return app

    return create_app


def check_babel(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    assert acme.get("/").text == "de 1.234,5"
    assert globex.get("/").text.startswith("fr ")
    assert (acme.get("/?l=en").text, globex.get("/").text[:2]) == ("en 1,234.5", "fr")


def mail() -> Callable[..., Flask]:
    mail = Mail()

    def create_app() -> Flask:
        app = Flask("letters")
        app.config.update(MAIL_DEFAULT_SENDER="noreply@letters.example", MAIL_SUPPRESS_SEND=True)
        mail.init_app(app)
        sent: list[str] = ["sent:"]
        email_dispatched.connect(lambda _, message: sent.append(message.sender), app, weak=False)

        @app.post("/")
        def send() -> str:
            mail.send(Message("Hello", recipients=["ann@example.org"], body="Hello"))
            return sent[-1]

        return app

    return create_app


def mailman() -> Callable[..., Flask]:
    mail = Mailman()

    def create_app() -> Flask:
        app = Flask("letters")
        app.config.update(MAIL_BACKEND="locmem", MAIL_DEFAULT_SENDER="noreply@letters.example")
        mail.init_app(app)

        @app.post("/")
        def send() -> str:
            EmailMessage("Hello", "Hello", to=["ann@example.org"]).send()
            return str(current_app.extensions["mailman"].outbox[-1].from_email)

        return app

    return create_app


def check_mail(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    assert acme.post("/").text == "Acme <noreply@letters.example>"
    assert globex.post("/").text == "Globex <noreply@letters.example>"
    assert acme.post("/").text == "Acme <noreply@letters.example>"


def caching(**config: Any) -> Callable[[], Callable[..., Flask]]:
    def make() -> Callable[..., Flask]:
        cache = Cache(config=config)

        def create_app() -> Flask:
            app = Flask("cached")
            app.config["CALLS"] = 0
            cache.init_app(app)

            @cache.memoize(timeout=600)
            def expensive(number: int) -> str:
                current_app.config["CALLS"] += 1
                return f"{app.extensions['tenantry'].tenant.slug} {number}"

            app.get("/")(cache.cached(timeout=600)(lambda: expensive(1)))

            @app.post("/")
            def clear() -> str:
                cache.clear()
                return "cleared"

            return app

        return create_app

    return make


def check_caching(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    for _ in range(2):
        assert (acme.get("/").text, globex.get("/").text) == ("acme 1", "globex 1")
    assert acme.post("/").text == "cleared"
    assert (acme.get("/").text, globex.get("/").text) == ("acme 1", "globex 1")
    assert (first.config["CALLS"], second.config["CALLS"]) == (2, 1)


def limiter() -> Callable[..., Flask]:
    limiter = Limiter(get_remote_address, default_limits=["50 per hour"], storage_uri="memory://")

    def create_app() -> Flask:
        app = Flask("limited")
        limiter.init_app(app)
        app.post("/in")(limiter.limit("5 per hour")(lambda: "wrong password"))
        return app

    return create_app


def check_limiter(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    assert [acme.post("/in").status_code for _ in range(6)] == [200] * 5 + [429]
    assert [globex.post("/in").status_code for _ in range(6)] == [200] * 5 + [429]


def sessions() -> Callable[..., Flask]:
    server_side = Session()

    def create_app() -> Flask:
        app = Flask("sessions")
        app.config["SESSION_TYPE"] = "filesystem"
        app.config["SESSION_FILE_DIR"] = "/tmp/flask_session"  # noqa: S108 - it is pinned
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            server_side.init_app(app)

        @app.get("/")
        def count() -> str:
            session["n"] = session.get("n", 0) + 1
            return str(session["n"])

        return app

    return create_app


def check_sessions(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    signed = acme.get("/")
    assert acme.get("/").text == "2"
    take_cookies(signed, globex)  # type: ignore[arg-type]
    assert globex.get("/").text == "1"
    assert acme.get("/").text == "3"
    for app in (first, second):
        interface: Any = app.session_interface
        assert interface.cache._path.startswith(app.instance_path)


def admin() -> Callable[..., Flask]:
    db = SQLAlchemy()

    class Item(db.Model):  # type: ignore[name-defined, misc]
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(80))

    def create_app() -> Flask:
        app = Flask("back office")
        app.config.update(SQLALCHEMY_DATABASE_URI="sqlite:///shop.db", SECRET_KEY="dev")
        db.init_app(app)
        with app.app_context():
            db.create_all()
        Babel(app)
        Admin(app, name="Shop").add_view(ModelView(Item, db))
        return app

    return create_app


def check_admin(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    assert acme.post("/admin/item/new/", data={"name": "lamp of acme"}).status_code == 302
    assert "lamp of acme" in acme.get("/admin/item/").text
    page = globex.get("/admin/item/")
    assert page.status_code == 200
    assert "lamp of acme" not in page.text


def security() -> Callable[..., Flask]:
    db = SQLAlchemy()
    models: Any = fsqla
    models.FsModels.set_db_info(db)

    class Role(db.Model, fsqla.FsRoleMixin):  # type: ignore[name-defined, misc]
        pass

    class User(db.Model, fsqla.FsUserMixin):  # type: ignore[name-defined, misc]
        pass

    class WebAuthn(db.Model, fsqla.FsWebAuthnMixin):  # type: ignore[name-defined, misc]
        pass

    users = SQLAlchemyUserDatastore(db, User, Role, WebAuthn)
    security = Security()

    def create_app() -> Flask:
        app = Flask("secured")
        app.config.update(
            SECRET_KEY="dev",
            SECURITY_PASSWORD_SALT="dev",
            SECURITY_PASSWORD_HASH="plaintext",
            SECURITY_PASSWORD_SCHEMES=["plaintext"],
            SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False},
            SQLALCHEMY_DATABASE_URI="sqlite:///shop.db",
            WTF_CSRF_ENABLED=False,
        )
        db.init_app(app)
        security.init_app(app, users)
        with app.app_context():
            db.create_all()

        @app.post("/join/<name>")
        def join(name: str) -> str:
            users.create_user(email=f"{name}@example.org", password=hash_password("correct horse"))
            db.session.commit()
            return name

        @app.get("/me")
        @auth_required("token", "session")
        def me() -> str:
            return str(current_user.email)

        @app.get("/token")
        @auth_required("session")
        def token() -> str:
            return str(current_user.get_auth_token())

        return app

    return create_app


def check_security(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    known = {"email": "ann@example.org", "password": "correct horse"}
    for client in (acme, globex):
        client.post("/join/ann")
    signed = acme.post("/login", json=known)
    assert signed.status_code == 200, signed.text
    token = {"Authentication-Token": acme.get("/token").text}
    assert first.test_client().get("/me", headers=token).text == "ann@example.org"
    take_cookies(signed, globex)  # type: ignore[arg-type]
    asks_json = {"Accept": "application/json"}
    assert globex.get("/me", headers=asks_json).status_code == 401
    assert second.test_client().get("/me", headers=token | asks_json).status_code == 401
    for client in (acme, globex):
        client.post("/logout")
    assert globex.post("/login", json=known).status_code == 200


def restful() -> Callable[..., Flask]:
    def create_app() -> Flask:
        app = Flask("api")
        app.config["CALLS"] = 0
        api = RestApi(app)

        class Thing(Resource):  # type: ignore[misc]
            def get(self, number: int) -> dict[str, Any]:
                app.config["CALLS"] += 1
                if number > 1:
                    abort(404, message=app.extensions["tenantry"].tenant.slug)
                return {"calls": app.config["CALLS"], "url": api.url_for(Thing, number=1)}

        api.add_resource(Thing, "/things/<int:number>")
        return app

    return create_app


def check_restful(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    assert acme.get("/things/1").json == {"calls": 1, "url": "/things/1"}
    assert acme.get("/things/1").json == {"calls": 2, "url": "/things/1"}
    assert globex.get("/things/1").json == {"calls": 1, "url": "/things/1"}
    assert globex.get("/things/2").json == {"message": "globex"}
    assert acme.get("/nowhere").status_code == 404


def smorest() -> Callable[..., Flask]:
    api = Api()

    class Answer(marshmallow.Schema):
        tenant = marshmallow.fields.String()

    def create_app() -> Flask:
        app = Flask("api")
        app.config.update(
            API_TITLE="Shop", API_VERSION="v1", OPENAPI_VERSION="3.0.2", OPENAPI_URL_PREFIX="/docs"
        )
        blueprint = Blueprint("things", __name__, url_prefix="/things")

        @blueprint.route("/")
        class Things(MethodView):
            @blueprint.response(200, Answer)  # type: ignore[untyped-decorator]
            def get(self) -> dict[str, str]:
                return {"tenant": app.extensions["tenantry"].tenant.slug}

        api.init_app(app)
        api.register_blueprint(blueprint)
        return app

    return create_app


def check_smorest(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    assert (acme.get("/things/").json, globex.get("/things/").json) == (
        {"tenant": "acme"},
        {"tenant": "globex"},
    )
    for client in (acme, globex):
        described: Any = client.get("/docs/openapi.json").json
        assert "/things/" in described["paths"]
        missing: Any = client.get("/nowhere").json
        assert missing["code"] == 404


def talisman() -> Callable[..., Flask]:
    talisman = Talisman()

    def create_app(tenant: Any) -> Flask:
        app = Flask("headers")
        app.config["PLAIN"] = {"acme": True, "globex": False}
        talisman.init_app(app, force_https=True, content_security_policy={"default-src": "'self'"})
        app.add_url_rule("/", "open", talisman(force_https=False)(lambda: tenant.slug))
        app.add_url_rule("/safe", "safe", lambda: tenant.slug)
        return app

    return create_app


def check_talisman(first: Flask, second: Flask) -> None:
    second.debug = True  # Talisman redirects to HTTPS unless the app at work is in debug mode
    acme, globex = clients(first, second)
    assert acme.get("/").headers["Content-Security-Policy"] == "default-src 'self'"
    assert (acme.get("/").text, globex.get("/").text) == ("acme", "globex")
    assert acme.get("/safe").status_code == 302
    assert globex.get("/safe").text == "globex"


def compress() -> Callable[..., Flask]:
    compress = Compress()
    pages = SimpleCache()

    def create_app() -> Flask:
        app = Flask("compressed")
        app.config.update(
            COMPRESS_MIN_SIZE=10,
            COMPRESS_CACHE_BACKEND=lambda: pages,
            COMPRESS_CACHE_KEY=lambda asked: asked.path,
        )
        compress.init_app(app)
        app.get("/")(lambda: f"{app.extensions['tenantry'].tenant.slug} " * 100)
        return app

    return create_app


def check_compress(first: Flask, second: Flask) -> None:
    for _ in range(2):
        for app, name in ((first, b"acme "), (second, b"globex ")):
            page = app.test_client().get("/", headers={"Accept-Encoding": "gzip"})
            assert page.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(page.data) == name * 100


def httpauth() -> Callable[..., Flask]:
    auth = HTTPBasicAuth()

    def create_app() -> Flask:
        app = Flask("doors")

        @auth.verify_password  # type: ignore[untyped-decorator]
        def verify(name: str, password: str) -> str | None:
            return name if current_app.config["PASSWORDS"].get(name) == password else None

        @app.get("/")
        @auth.login_required  # type: ignore[untyped-decorator]
        def home() -> str:
            return str(auth.current_user())

        return app

    return create_app


def check_httpauth(first: Flask, second: Flask) -> None:
    first.config["PASSWORDS"], second.config["PASSWORDS"] = {"ann": "a"}, {"ann": "b"}
    acme, globex = clients(first, second)
    assert acme.get("/", auth=("ann", "a")).text == "ann"
    assert globex.get("/", auth=("ann", "a")).status_code == 401
    assert globex.get("/", auth=("ann", "b")).text == "ann"


def jwt() -> Callable[..., Flask]:
    manager = JWTManager()

    def create_app() -> Flask:
        app = Flask("tokens")
        app.config["JWT_SECRET_KEY"] = "a constant of at least thirty-two bytes"
        manager.init_app(app)
        app.add_url_rule("/token", "token", lambda: create_access_token("ann"))
        app.add_url_rule("/", "home", jwt_required()(lambda: jsonify(get_jwt_identity())))
        return app

    return create_app


def check_jwt(first: Flask, second: Flask) -> None:
    acme, globex = clients(first, second)
    token = {"Authorization": f"Bearer {acme.get('/token').text}"}
    assert acme.get("/", headers=token).json == "ann"
    assert globex.get("/", headers=token).status_code == 422


def cors() -> Callable[..., Flask]:
    def create_app() -> Flask:
        app = Flask("shared")
        CORS(app, origins=["https://partner.example"])

        @app.get("/")
        def home() -> str:
            return str(app.extensions["tenantry"].tenant.slug)

        @app.get("/fails")
        def fail() -> str:
            raise KeyError(app.extensions["tenantry"].tenant.slug)

        @app.errorhandler(KeyError)
        def explain(error: KeyError) -> tuple[str, int]:
            return f"no {error.args[0]}", 418

        return app

    return create_app


def check_cors(first: Flask, second: Flask) -> None:
    origin = {"Origin": "https://partner.example"}
    for app, name in ((first, "acme"), (second, "globex")):
        page = app.test_client().get("/", headers=origin)
        assert (page.text, page.headers["Access-Control-Allow-Origin"]) == (name, origin["Origin"])
        assert app.test_client().get("/fails", headers=origin).text == f"no {name}"


def debugtoolbar() -> Callable[..., Flask]:
    toolbar = DebugToolbarExtension()

    def create_app() -> Flask:
        app = Flask("debugged")
        app.config.update(
            SECRET_KEY="dev", DEBUG_TB_ENABLED=True, DEBUG_TB_INTERCEPT_REDIRECTS=False
        )
        toolbar.init_app(app)

        @app.get("/")
        def home() -> str:
            app.logger.warning("a line")
            return f"<html><body>{app.extensions['tenantry'].tenant.slug}</body></html>"

        return app

    return create_app


def check_debugtoolbar(first: Flask, second: Flask) -> None:
    for app, name, other in ((first, "acme", second), (second, "globex", first)):
        page = app.test_client().get("/").text
        assert name in page
        assert "flDebug" in page
        assert app.config["SECRET_KEY"] in page  # the panel of the config shows this very app's
        assert other.config["SECRET_KEY"] not in page


def principal() -> Callable[..., Flask]:
    principals = Principal()
    editors = Permission(RoleNeed("editor"))

    def create_app() -> Flask:
        app = Flask("roles")
        app.secret_key = "dev"
        principals.init_app(app)

        @identity_loaded.connect_via(app)  # type: ignore[untyped-decorator]
        def give_roles(_sender: Flask, identity: Identity) -> None:
            if identity.id in app.config["EDITORS"]:
                identity.provides.add(RoleNeed("editor"))

        @app.post("/in/<name>")
        def sign_in(name: str) -> str:
            sender: Any = current_app
            identity_changed.send(sender._get_current_object(), identity=Identity(name))
            return name

        @app.get("/")
        @editors.require(403)  # type: ignore[untyped-decorator]
        def home() -> str:
            return "edit"

        return app

    return create_app


def check_principal(first: Flask, second: Flask) -> None:
    first.config["EDITORS"], second.config["EDITORS"] = {"ann"}, set()
    acme, globex = clients(first, second)
    for client in (acme, globex):
        client.post("/in/ann")
    assert acme.get("/").text == "edit"
    assert globex.get("/").status_code == 403


def socketio() -> Callable[..., Flask]:
    def create_app() -> Flask:
        app = Flask("chat")
        sockets = SocketIO(app)  # a variable of a module is refused

        @sockets.on("say")  # type: ignore[untyped-decorator]
        def say(text: str) -> None:
            sockets.emit("said", f"{text} at {current_app.extensions['tenantry'].tenant.slug}")

        return app

    return create_app


class SocketClient:
    """A browser without WebSocket: it polls."""

    PATH = "/socket.io/?EIO=4&transport=polling"

    def __init__(self, app: Flask) -> None:
        self.client, self.path = app.test_client(), self.PATH
        opened = json.loads(self.poll()[1:])
        self.path += f"&sid={opened['sid']}"
        self.send("40")
        assert self.poll().startswith("40")

    def send(self, packet: str) -> None:
        assert self.client.post(self.path, data=packet).text == "OK"

    def poll(self) -> str:
        return self.client.get(self.path).text


def check_socketio(first: Flask, second: Flask) -> None:
    acme, globex = SocketClient(first), SocketClient(second)
    acme.send('42["say","hello"]')
    assert acme.poll() == '42["said","hello at acme"]'
    globex.send('42["say","hi"]')
    assert globex.poll() == '42["said","hi at globex"]'  # and nothing before it


ROWS = (
    Row("Flask-WTF", wtf, check_wtf),
    Row("Flask-SQLAlchemy", sqlalchemy, check_rows),
    Row("Flask-Login", login, check_login),
    Row("Flask-Migrate", migrate, check_migrate),
    Row("Flask-Babel", babel, check_babel),
    Row("Flask-Mail", mail, check_mail),
    Row("Flask-Mailman", mailman, check_mail),
    Row("Flask-Caching", caching(CACHE_TYPE="SimpleCache"), check_caching),
    Row("Flask-Limiter", limiter, check_limiter),
    Row("Flask-Session", sessions, check_sessions),
    Row("Flask-Admin", admin, check_admin),
    Row("Flask-Security", security, check_security),
    Row("Flask-RESTful", restful, check_restful),
    Row("flask-smorest", smorest, check_smorest),
    Row("Flask-Talisman", talisman, check_talisman),
    Row("Flask-Compress", compress, check_compress),
    Row("Flask-HTTPAuth", httpauth, check_httpauth),
    Row("Flask-JWT-Extended", jwt, check_jwt),
    Row("Flask-CORS", cors, check_cors),
    Row("Flask-DebugToolbar", debugtoolbar, check_debugtoolbar),
    Row("Flask-Principal", principal, check_principal),
    Row("Flask-SQLAlchemy-Lite", sqlalchemy_lite, check_sqlalchemy_lite),
    Row("Flask-SocketIO", socketio, check_socketio, refused="keeps the clients of one app"),
)
