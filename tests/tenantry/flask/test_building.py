"""Binding before the build: an app that knows of no tenants is one tenant's from its first line."""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from email.header import decode_header, make_header
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from tenantry import current_tenant
from tenantry.errors import FactoryError, SettingsError, SharedAppError
from tenantry.flask.factories import load_factory
from tenantry.flask.pins import BINDS, DATABASE_URI, FOLDERS, KEYS, PREFIXES, UNSET
from tests.conftest import OTHER_KEY
from tests.tenantry.support import a_tenant, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

    Load = Callable[..., Factory]

FORM = "application/x-www-form-urlencoded"
ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Load:
    """Return what loads a factory from the source of its module."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def load(
        source: str, call: str = "create_app", arguments: list[Any] | None = None, **more: Any
    ) -> Factory:
        name = f"app_{tmp_path.name}_{len(names)}".replace("-", "_")
        names.append(name)
        (tmp_path / f"{name}.py").write_text(dedent(source))
        path = f"{name}:{call}" if call else name
        chosen = {"factory": path, "factory_args": arguments, **more}
        return load_factory(settings.model_copy(update=chosen))

    return load


def build(factory: Factory, tenant: Tenant) -> Any:
    """Return a tenant's app; each has attributes of its own."""
    return factory.build(tenant)


FLASKR = """
    import os, sqlite3
    from flask import Flask, current_app, g, request

    def create_app(test_config=None):
        app = Flask(__name__, instance_relative_config=True)
        app.config.from_mapping(
            SECRET_KEY="dev", DATABASE=os.path.join(app.instance_path, "flaskr.sqlite")
        )
        app.config.from_pyfile("config.py", silent=True)
        os.makedirs(app.instance_path, exist_ok=True)

        @app.post("/")
        def add():
            with sqlite3.connect(current_app.config["DATABASE"]) as database:
                database.execute("CREATE TABLE IF NOT EXISTS post (body)")
                database.execute("INSERT INTO post VALUES (?)", [request.form["body"]])
            return "ok"

        @app.get("/")
        def index():
            with sqlite3.connect(current_app.config["DATABASE"]) as database:
                return ",".join(body for (body,) in database.execute("SELECT body FROM post"))

        return app
"""


def test_an_app_that_opens_its_own_file_gets_one_for_each_tenant(
    load: Load, settings: Settings
) -> None:
    """The tutorial's flaskr, unchanged: what is written at one tenant is nowhere else."""
    factory = load(FLASKR)
    acme, globex = build(factory, ACME), build(factory, GLOBEX)

    for app, body in ((acme, "a"), (globex, "g"), (acme, "b")):
        assert ask(app, method="POST", data=f"body={body}".encode(), content_type=FORM).text == "ok"

    assert (ask(acme).text, ask(globex).text) == ("a,b", "g")
    for tenant in (ACME, GLOBEX):
        assert (settings.tenant_dir(tenant.id) / "flaskr.sqlite").is_file()


def test_keys_belong_to_the_tenant(load: Load) -> None:
    """Law 9: an app's constant key would open one tenant's sessions and tokens to the next."""
    factory = load(
        """
        from flask import Flask
        def create_app():
            app = Flask(__name__)
            app.config["SECRET_KEY"] = "dev"
            app.secret_key = "dev"
            app.config.update(JWT_SECRET_KEY="dev", WTF_CSRF_SECRET_KEY="dev")
            app.config |= {"SECRET_KEY": "dev"}
            app.seen = app.config["SECRET_KEY"] + "as text"
            return app
        """
    )
    acme, globex, again = (build(factory, tenant) for tenant in (ACME, GLOBEX, ACME))
    for name in ("SECRET_KEY", "JWT_SECRET_KEY", "WTF_CSRF_SECRET_KEY", "SECURITY_CONFIRM_SALT"):
        assert acme.config[name] == again.config[name] != globex.config[name]
        assert isinstance(acme.config[name], str)
    assert acme.config.own == dict.fromkeys(
        ("SECRET_KEY", "JWT_SECRET_KEY", "WTF_CSRF_SECRET_KEY"), "dev"
    )
    assert len({acme.config[name] for name in ("SECRET_KEY", "JWT_SECRET_KEY")}) == 2
    assert acme.seen == acme.config["SECRET_KEY"] + "as text"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        pytest.param("UPLOAD_FOLDER", "/srv/uploads", "{folder}/uploads", id="absolute"),
        pytest.param("UPLOAD_FOLDER", "files", "{folder}/uploads", id="relative"),
        pytest.param("UPLOAD_FOLDER", "{folder}/mine/x", "{folder}/mine/x", id="its own"),
        pytest.param("UPLOAD_FOLDER", "{folder}/../x", "{folder}/uploads", id="out of its own"),
        pytest.param("UPLOADED_PHOTOS_DEST", "/srv/photos", "{folder}/photos", id="by pattern"),
        pytest.param("SQLALCHEMY_DATABASE_URI", "sqlite:///x.db", "{uri}", id="database"),
        pytest.param(
            "SQLALCHEMY_BINDS",
            {"users": "sqlite:///u.db", "logs": {"url": "sqlite://", "echo": True}},
            {"users": "{uri}", "logs": {"url": "{uri}", "echo": True}},
            id="binds",
        ),
        pytest.param("CACHE_KEY_PREFIX", "shop:", "t_{id}:shop:", id="prefix"),
        pytest.param("SERVER_NAME", "shop.example", None, id="server name"),
        pytest.param("SESSION_COOKIE_DOMAIN", ".example.com", None, id="cookie domain"),
        pytest.param("TITLE", "Shop", "Shop", id="the app's own"),
    ],
)
def test_pins(load: Load, settings: Settings, name: str, value: Any, expected: Any) -> None:
    """Settings that reach other tenants are pinned; what is the app's own stays."""

    def filled(text: Any) -> Any:
        folder = settings.tenant_dir(ACME.id)
        if isinstance(text, dict):
            return {key: filled(inner) for key, inner in text.items()}
        if not isinstance(text, str):
            return text
        uri = f"sqlite:///{folder}/site.sqlite3"
        return text.format(folder=folder, uri=uri, id=ACME.id)

    factory = load(CONFIGURED, arguments=[{name: filled(value)}])
    assert build(factory, ACME).config[name] == filled(expected)


CONFIGURED = """
    from flask import Flask
    def create_app(config):
        app = Flask(__name__)
        app.config.from_mapping(config)
        return app
"""


@pytest.mark.parametrize(
    "name", [*KEYS, *UNSET, *PREFIXES, *FOLDERS, *BINDS, DATABASE_URI, "UPLOADED_PHOTOS_DEST"]
)
def test_each_pin_keeps_tenants_apart(load: Load, settings: Settings, name: str) -> None:
    """Law 9: a value that an app sets for all of its visitors is no value for two tenants."""
    value: Any = {"users": "sqlite:////srv/x"} if name in BINDS else "/srv/shared"
    factory = load(CONFIGURED, arguments=[{name: value}])
    acme, globex = (build(factory, tenant).config[name] for tenant in (ACME, GLOBEX))
    if name in UNSET:
        assert acme is globex is None
        return
    assert acme != globex
    assert value not in (acme, globex)
    if name in FOLDERS or name == "UPLOADED_PHOTOS_DEST":
        folder = Path(acme) if name != "DATABASE" else Path(acme).parent
        assert folder.is_relative_to(settings.tenant_dir(ACME.id))
        assert folder.is_dir()  # the app's own was made by its operator


def test_the_root_is_the_mount_if_paths_name_tenants(
    load: Load, make_settings: Callable[..., Settings]
) -> None:
    """Apps set SCRIPT_NAME from it, and would lose what the platform has put there."""
    for routing, expected in (("path", "/sites/acme"), ("subdomain", "/own"), ("both", "/own")):
        settings = make_settings(routing=routing, allow_shared_origin=True)
        factory = load(
            CONFIGURED, arguments=[{"APPLICATION_ROOT": "/own"}], routing=settings.routing
        )
        assert build(factory, ACME).config["APPLICATION_ROOT"] == expected


def test_the_salt_of_passwords_travels_with_the_data(
    load: Load, make_settings: Callable[..., Settings]
) -> None:
    """New keys, and a clone's other id, must leave every member's password valid."""
    factory = load(CONFIGURED, arguments=[{}])
    salt = build(factory, ACME).config["SECURITY_PASSWORD_SALT"]
    assert salt == build(factory, GLOBEX).config["SECURITY_PASSWORD_SALT"]  # a clone of acme
    rotated = make_settings(secret_keys=OTHER_KEY)
    again = load(CONFIGURED, arguments=[{}], secret_keys=rotated.secret_keys)
    assert build(again, ACME).config["SECURITY_PASSWORD_SALT"] == salt
    own = load(CONFIGURED, arguments=[{"SECURITY_PASSWORD_SALT": "the app's"}])
    assert build(own, ACME).config["SECURITY_PASSWORD_SALT"] == "the app's"


@pytest.mark.parametrize(
    ("own", "mail_from", "expected"),
    [
        pytest.param(None, "", "Acme <no-reply@example.test>", id="none"),
        pytest.param("shop@x.test", "", "Acme <shop@x.test>", id="an address"),
        pytest.param("Shop <shop@x.test>", "", "Acme <shop@x.test>", id="with a name"),
        pytest.param(("Shop", "shop@x.test"), "", ("Acme", "shop@x.test"), id="a pair"),
        pytest.param("shop@x.test", "{slug}@host.test", "Acme <acme@host.test>", id="operator's"),
    ],
)
def test_mail_comes_from_the_tenant(
    load: Load, make_settings: Callable[..., Settings], own: Any, mail_from: str, expected: Any
) -> None:
    """The name is the tenant's; the address is the operator's, if there is one."""
    config = {} if own is None else {"MAIL_DEFAULT_SENDER": own, "SECURITY_EMAIL_SENDER": own}
    chosen = make_settings(mail_from=mail_from).mail_from
    built = build(load(CONFIGURED, arguments=[config], mail_from=chosen), ACME).config
    assert built["MAIL_DEFAULT_SENDER"] == expected
    assert built.get("SECURITY_EMAIL_SENDER") == (None if own is None else expected)


def test_a_name_in_the_site_s_settings_signs_its_mail(load: Load) -> None:
    """Owners choose it; a line break would begin a header."""
    tenant = a_tenant("acme", settings={"mail_name": "Zo\u00eb\r\nBcc: eve@x.test"})
    sender = build(load(CONFIGURED, arguments=[{}]), tenant).config["MAIL_DEFAULT_SENDER"]
    name, address = parseaddr(sender)
    assert str(make_header(decode_header(name))) == "Zo\u00eb Bcc: eve@x.test"
    assert address == "no-reply@example.test"
    assert sender.isprintable()


def test_a_quiet_tenant_s_app_sends_no_mail(load: Load) -> None:
    """The people in a clone's database are real, and the app knows nothing of clones."""
    sending = {"MAIL_SUPPRESS_SEND": False, "MAIL_BACKEND": "smtp"}
    factory = load(CONFIGURED, arguments=[sending])
    quiet = build(factory, a_tenant("copy", quiet=True)).config
    assert (quiet["MAIL_SUPPRESS_SEND"], quiet["MAIL_BACKEND"]) == (True, "dummy")
    released = build(factory, ACME).config
    assert {name: released[name] for name in sending} == sending


def test_operators_pin_more(load: Load, settings: Settings) -> None:
    """TENANTRY_PIN decides settings that only this app has; a folder is there when it is used."""
    pin = {
        "UPLOAD_PATH": "{folder}/files",
        "MAIL_DEFAULT_SENDER": "{slug}@example.com",
        "PAGE_SIZE": 20,
    }
    factory = load(CONFIGURED, arguments=[dict.fromkeys(pin, "the app's own")], pin=pin)
    for tenant in (ACME, GLOBEX):
        config = build(factory, tenant).config
        folder = settings.tenant_dir(tenant.id)
        assert config["UPLOAD_PATH"] == f"{folder}/files"
        assert Path(config["UPLOAD_PATH"]).is_dir()
        assert config["MAIL_DEFAULT_SENDER"] == f"{tenant.slug}@example.com"
        assert config["PAGE_SIZE"] == 20


@pytest.mark.parametrize(
    ("pin", "sentence"),
    [
        ({"SECRET_KEY": "dev"}, "decides that value for each tenant already"),
        ({"SQLALCHEMY_DATABASE_URI": "sqlite://"}, "decides that value for each tenant already"),
        ({"upload_path": "x"}, "'upload_path' cannot name a setting"),
        ({"UPLOAD_PATH": "{host}/x"}, "UPLOAD_PATH has {host}; only"),
        ({"UPLOAD_PATH": "{folder"}, "UPLOAD_PATH='{folder'"),
    ],
)
def test_what_cannot_be_pinned_is_told(
    load: Load, make_settings: Callable[..., Settings], pin: dict[str, Any], sentence: str
) -> None:
    """The sentence names the value and the remedy, before any tenant is built."""
    with pytest.raises((SettingsError, ValueError), match=re.escape(sentence)):
        load(CONFIGURED, arguments=[{}], pin=make_settings(pin=pin).pin)


SHOP = """
    from flask import Flask, request
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()

    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(80))

    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db.init_app(app)
        with app.app_context():
            db.create_all()

        @app.post("/<name>")
        def add(name):
            db.session.add(Item(name=name))
            db.session.commit()
            return "ok"

        @app.get("/")
        def index():
            return ",".join(item.name for item in db.session.scalars(db.select(Item)))

        return app
"""


def test_flask_sqlalchemy_unmodified(load: Load, settings: Settings) -> None:
    """The engine is the tenant's, the tables are made by the factory, and nothing else is opened."""
    factory = load(SHOP)
    for tenant in (ACME, GLOBEX):
        factory.provision(tenant)
    acme, globex = build(factory, ACME), build(factory, GLOBEX)
    for app, name in ((acme, "a"), (globex, "g"), (acme, "b")):
        assert ask(app, f"/{name}", method="POST").text == "ok"
    assert (ask(acme).text, ask(globex).text) == ("a,b", "g")

    for tenant, names in ((ACME, ["a", "b"]), (GLOBEX, ["g"])):
        folder = settings.tenant_dir(tenant.id)
        assert [path.name for path in folder.glob("*.sqlite3")] == ["site.sqlite3"]
        with sqlite3.connect(folder / "site.sqlite3") as database:
            assert [name for (name,) in database.execute("SELECT name FROM item")] == names
        database.close()
    for app in (acme, globex):
        factory.dispose(app)


def test_tables_that_nobody_makes_are_made(load: Load) -> None:
    """Many apps leave it to a script; for each new tenant there is nobody to run one."""
    source = SHOP.replace("db.create_all()", "pass")
    factory = load(source)
    factory.provision(ACME)
    app = build(factory, ACME)
    assert ask(app, "/a", method="POST").text == "ok"
    factory.dispose(app)
    factory.provision(ACME)  # it changes nothing
    app = build(factory, ACME)
    assert ask(app).text == "a"
    factory.dispose(app)


def test_the_tenant_is_known_from_the_first_line(load: Load) -> None:
    """current_tenant answers in a context that the factory itself opens."""
    factory = load(
        """
        from flask import Flask
        from tenantry import current_tenant
        def create_app():
            app = Flask(__name__)
            with app.app_context():
                app.seen = current_tenant.slug
            return app
        """
    )
    assert build(factory, ACME).seen == "acme"


def test_two_builds_at_once_do_not_mix(load: Load) -> None:
    """Law 9: each thread's build has its own tenant, however their lines interleave."""
    factory = load(
        """
        import threading
        from flask import Flask
        together = threading.Barrier(8)
        def create_app():
            together.wait(30)
            app = Flask(__name__)
            together.wait(30)
            app.config["UPLOAD_FOLDER"] = "/srv/uploads"
            return app
        """
    )
    tenants = [a_tenant(f"t{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        apps = list(threads.map(partial(build, factory), tenants))
    for app, tenant in zip(apps, tenants, strict=True):
        assert Path(app.config["UPLOAD_FOLDER"]).parent.name == Path(app.instance_path).name
        with app.app_context():
            assert current_tenant.slug == tenant.slug


def test_nothing_changes_outside_of_a_build(load: Load) -> None:
    """Apps that are made beside a tenant's build are as Flask makes them."""
    load(FLASKR).build(ACME)
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "dev"
    assert (app.secret_key, type(app.config)) == ("dev", Flask.config_class)
    assert type(app.session_interface) is SecureCookieSessionInterface


def test_one_app_for_two_tenants_is_refused(load: Load) -> None:
    """Law 9: the second tenant's visitors would be served the first one's app."""
    factory = load(
        """
        from functools import cache
        from flask import Flask
        @cache
        def create_app():
            return Flask(__name__)
        """
    )
    build(factory, ACME)
    with pytest.raises(SharedAppError, match="returned acme's app for globex"):
        build(factory, GLOBEX)


def test_an_app_made_before_is_refused(load: Load) -> None:
    """So is a function that only hands out what its module made when it was imported."""
    factory = load("from flask import Flask\napp = Flask(__name__)\ndef create_app(): return app\n")
    with pytest.raises(SharedAppError, match="made before it was called for acme"):
        build(factory, ACME)


@pytest.mark.parametrize("call", ["app", ""], ids=["named", "discovered"])
def test_an_app_is_no_factory(load: Load, call: str) -> None:
    """The sentence names the file and what to change in it."""
    with pytest.raises(FactoryError, match=r"In .*\.py, put its lines into `def create_app\(\):`"):
        load("from flask import Flask\napp = Flask(__name__)\n", call)


@pytest.mark.parametrize(
    ("signature", "call", "arguments", "got"),
    [
        ("", "create_app", None, "()"),
        ("", "", None, "()"),
        ("test_config=None", "create_app", None, "(None,)"),
        ("name='dev'", "create_app('production')", None, "('production',)"),
        ("name='dev'", "create_app(name='test')", None, "('test',)"),
        ("name", "create_app", ["production"], "('production',)"),
        ("config, instance_path", "create_app", [{}, "/srv"], "({}, '/srv')"),
        ("tenant", "create_app", None, "('acme',)"),
        ("config=None, *, tenant", "create_app", None, "(None, 'acme')"),
        ("site: 'Tenant'", "create_app", None, "('acme',)"),
        ("config=None, tenant=None", "create_app", None, "(None, 'acme')"),
        ("*args", "create_app", None, "((),)"),
    ],
)
def test_factories_as_they_come(
    load: Load, signature: str, call: str, arguments: list[Any] | None, got: str
) -> None:
    """A tenant goes to the parameter that asks for one, and to no other."""
    factory = load(
        f"""
        from flask import Flask
        def create_app({signature}):
            app = Flask(__name__)
            given = {{name: getattr(value, "slug", value) for name, value in locals().items()}}
            given.pop("app")
            app.given = tuple(given.values())
            return app
        """,
        call,
        arguments,
    )
    assert repr(build(factory, ACME).given) == got


def test_a_missing_argument_is_told(load: Load) -> None:
    """The sentence says what to set, before any visitor comes."""
    with pytest.raises(
        FactoryError, match=r"create_app\(config_name\) takes no tenant; set .*_ARGS"
    ):
        load("def create_app(config_name): ...")


@pytest.mark.parametrize("call", ["create_app(x)", "create_app(", "1", "create_app()()", "a[0]"])
def test_what_is_no_call_is_told(load: Load, call: str) -> None:
    """Only literal arguments can stand in a setting."""
    with pytest.raises(FactoryError, match="neither a name nor a call with literal arguments"):
        load("def create_app(*_): ...", call)


def test_a_shared_instance_file_still_counts(load: Load, tmp_path: Path) -> None:
    """Operators keep one config.py for all tenants; a tenant's own comes first."""
    factory = load(FLASKR)
    first = build(factory, ACME)
    shared = Path(first.config.shared_root)
    assert shared == tmp_path / "instance"
    shared.mkdir()
    (shared / "config.py").write_text("TITLE = 'shared'\nSECRET_KEY = 'shared'\n")
    (Path(first.instance_path) / "config.py").write_text("TITLE = 'own'\n")

    acme, globex = build(factory, ACME), build(factory, GLOBEX)
    assert (acme.config["TITLE"], globex.config["TITLE"]) == ("own", "shared")
    assert globex.config["SECRET_KEY"] != "shared"
