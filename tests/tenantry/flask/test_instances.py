"""TENANTRY_INSTANCES: a factory as it comes, once for each tenant or once per process."""

from __future__ import annotations

import logging
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from tenantry.errors import BuildOnceError, UnfitError
from tenantry.flask.factories import load_factory
from tenantry.flask.freezing import is_shared
from tenantry.flask.verdicts import Verdict, read_verdict, write_verdict
from tests.tenantry.support import a_tenant, ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenantry.factory import Factory
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

    Load = Callable[..., Factory]

ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Any:
    """Return what writes a factory's module and makes settings that name it."""
    monkeypatch.syspath_prepend(tmp_path)

    def prepare(source: str, **chosen: Any) -> Settings:
        name = f"shop_{tmp_path.name}_{len(list(tmp_path.glob('shop_*')))}".replace("-", "_")
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(dedent(source))
        return settings.model_copy(update={"factory": f"{name}:create_app", **chosen})

    return prepare


def build(factory: Factory, tenant: Tenant) -> Any:
    return factory.build(tenant)


SHOP = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()
    runs = []

    class Item(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(80))

    def create_app():
        runs.append(1)
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        db.init_app(app)
        with app.app_context():
            db.create_all()

        @app.post("/<name>")
        def add(name):
            db.session.add(Item(name=name))
            db.session.commit()
            return str(len(runs))

        @app.get("/")
        def index():
            return ",".join(item.name for item in db.session.scalars(db.select(Item)))

        return app
"""


@pytest.mark.parametrize("kind", ["full", "flyweight"])
def test_an_app_that_knows_of_no_tenants(prepare: Any, kind: str) -> None:
    """Provisioned and served in either way, it has its own rows; a flyweight's factory runs once."""
    factory = load_factory(prepare(SHOP, instances=kind))
    for tenant in (ACME, GLOBEX):
        factory.provision(tenant)
    acme, globex = build(factory, ACME), build(factory, GLOBEX)
    assert is_shared(acme) is (kind == "flyweight")
    for app, name in ((acme, "a"), (globex, "g"), (acme, "b")):
        runs = ask(app, f"/{name}", method="POST").text
        assert (runs == "1") is (kind == "flyweight")
    assert (ask(acme).text, ask(globex).text) == ("a,b", "g")
    for app in (acme, globex):
        factory.dispose(app)


ONCE = """
    from flask import Flask
    hooks = set()

    def create_app():
        if "shop" in hooks:
            raise ValueError("The plugin 'shop' is already registered.")
        hooks.add("shop")
        app = Flask(__name__)
        app.add_url_rule("/", "home", lambda: app.extensions["tenantry"].tenant.slug)
        return app
"""


def test_an_app_that_can_be_built_once_offers_the_flyweight(prepare: Any) -> None:
    """As a flyweight it serves all tenants; as full instances the second one says so."""
    factory = load_factory(prepare(ONCE))
    assert ask(build(factory, ACME)).text == "acme"
    with pytest.raises(BuildOnceError, match=r"can be built only once.*INSTANCES=flyweight"):
        build(factory, GLOBEX)
    factory = load_factory(prepare(ONCE, instances="flyweight"))
    for tenant in (ACME, GLOBEX):
        assert ask(build(factory, tenant)).text == tenant.slug


UNFIT = """
    from flask import Flask

    def create_app():
        app = Flask(__name__)
        visits = []
        app.add_url_rule("/", "home", lambda: str(visits.append(1) or len(visits)))
        return app
"""


def test_an_unfit_app(prepare: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It is refused as a flyweight; *auto* gives each tenant a full instance and says why."""
    chosen = prepare(UNFIT, instances="flyweight")
    with pytest.raises(UnfitError, match="uses 'visits', a list of its factory"):
        load_factory(chosen).prepare()
    auto = chosen.model_copy(update={"instances": "auto"})
    write_verdict(auto, Verdict(read_verdict(auto).release, flyweight=True))
    factory = load_factory(auto)
    acme, globex = build(factory, ACME), build(factory, GLOBEX)
    assert "tenants get full instances" in caplog.text
    assert (ask(acme).text, ask(acme).text, ask(globex).text) == ("1", "2", "1")


READING = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy()

    class Setting(db.Model):
        name = db.Column(db.String(80), primary_key=True)

    def create_app():
        app = Flask(__name__)
        db.init_app(app)
        with app.app_context():
            {first}
            app.config["TITLE"] = db.session.scalar(db.select(Setting.name))
        return app
"""


@pytest.mark.parametrize("first", ["db.create_all()", "pass"], ids=["empty", "no table"])
def test_a_prototype_whose_database_is_empty(prepare: Any, first: str) -> None:
    """What a factory finds in there would be the same nothing for tenants that have rows."""
    chosen = prepare(READING.replace("{first}", first), instances="flyweight")
    with pytest.raises(UnfitError, match=r"__init__\.py:\d+ reads rows of the database while"):
        load_factory(chosen).prepare()


OWN_ENGINE = """
    from flask import Flask
    from sqlalchemy import create_engine, text

    def create_app():
        app = Flask(__name__)
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
        engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"])
        with engine.connect() as connection:
            app.config["TITLE"] = connection.scalar(text({query!r}))
        return app
"""


@pytest.mark.parametrize("query", ["SELECT name FROM setting", "SELECT count(*) FROM (SELECT 1)"])
def test_a_prototype_that_reads_through_an_engine_of_its_own(prepare: Any, query: str) -> None:
    """The platform has not made the engine, and hears of its statements all the same."""
    chosen = prepare(OWN_ENGINE.format(query=query), instances="flyweight")
    with pytest.raises(UnfitError, match=r"__init__\.py:\d+ reads rows of the database while"):
        load_factory(chosen).prepare()


@pytest.mark.parametrize("comment", ["/* of\nit */ ", "-- of it\n"], ids=["block", "line"])
def test_a_prototype_that_reads_with_a_commented_statement(prepare: Any, comment: str) -> None:
    """It reads all the same."""
    query = f"{comment}SELECT count(*) FROM setting"  # noqa: S608 - of two constants
    statement = f"db.session.scalar(db.text({query!r}))"
    source = READING.replace("db.session.scalar(db.select(Setting.name))", statement)
    chosen = prepare(source.replace("{first}", "db.create_all()"), instances="flyweight")
    with pytest.raises(UnfitError, match=r"__init__\.py:\d+ reads rows of the database while"):
        load_factory(chosen).prepare()


WRAPPED = """
    from flask import Flask
    from flask_limiter import Limiter
    from werkzeug.middleware.proxy_fix import ProxyFix

    limiter = Limiter(lambda: "everybody", storage_uri="memory://")

    def create_app():
        app = Flask("limited")
        limiter.init_app(app)
        app.add_url_rule("/", "home", limiter.limit("1 per hour")(lambda: "ok"))
        return ProxyFix(app.wsgi_app)
"""


def test_extensions_inside_of_middleware_are_adapted(prepare: Any) -> None:
    """A factory may return its app inside of another WSGI app."""
    factory = load_factory(prepare(WRAPPED))
    acme, globex = build(factory, ACME), build(factory, GLOBEX)
    assert [ask(app).status for app in (acme, acme, globex, globex)] == [200, 429, 200, 429]


BROKEN = """
    from flask import Flask
    asked = []

    def create_app(tenant):
        if tenant.slug.startswith("prototype"):
            raise LookupError("no such shop")
        return Flask(__name__)
"""


def test_auto_goes_on_without_a_prototype(prepare: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What fails for the prototype alone is no reason not to serve."""
    auto = prepare(BROKEN, instances="auto")
    write_verdict(auto, Verdict(read_verdict(auto).release, flyweight=True))
    assert not is_shared(build(load_factory(auto), ACME))
    assert "LookupError: no such shop" in caplog.text


def test_auto_needs_a_verdict_about_this_very_code(prepare: Any, tmp_path: Path) -> None:
    """Without one, and after a change of the code, tenants get full instances."""
    auto = prepare(SHOP, instances="auto")
    verdict = read_verdict(auto)
    assert (verdict.flyweight, "tenantry doctor" in verdict.reason) == (False, True)
    write_verdict(auto, Verdict(verdict.release, flyweight=True))
    assert read_verdict(auto).flyweight
    (tmp_path / auto.factory.partition(":")[0] / "views.py").write_text("# new")
    assert not read_verdict(auto).flyweight


LOGGING = """
    import logging, os
    from flask import Flask

    def create_app():
        app = Flask("shop")
        kept = logging.FileHandler({path})
        kept.setFormatter(logging.Formatter("%(name)s %(message)s"))
        app.logger.addHandler(kept)
        app.logger.setLevel(logging.INFO)

        @app.get("/<line>")
        def note(line):
            app.logger.info(line)
            return str(len(app.logger.handlers))

        return app
"""


@pytest.mark.parametrize("kind", ["full", "flyweight"])
def test_each_tenant_has_a_logger(
    prepare: Any, settings: Settings, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Handlers do not grow with builds, and a line is written once, under its tenant's name."""
    own = kind == "full"
    path = 'os.path.join(app.instance_path, "log")' if own else repr(str(tmp_path / "log"))
    factory = load_factory(prepare(LOGGING.replace("{path}", path), instances=kind))
    apps = [build(factory, tenant) for tenant in (ACME, GLOBEX, ACME)]
    for app, line in zip(apps, ("one", "two", "three"), strict=True):
        assert ask(app, f"/{line}").text == "1"
    lines = ["shop.acme one", "shop.globex two", "shop.acme three"]
    assert [f"{record.name} {record.message}" for record in caplog.records] == lines
    if own:
        log = (settings.tenant_dir(ACME.id) / "log").read_text()
        assert log.splitlines() == [lines[0], lines[2]]
    else:
        assert (tmp_path / "log").read_text().splitlines() == lines
    for app in apps:
        for handler in app.logger.handlers:
            handler.close()
        factory.dispose(app)
    assert not logging.getLogger("shop").handlers
