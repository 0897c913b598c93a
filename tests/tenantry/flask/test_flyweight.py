"""Flyweights behave like apps of their own, share what is immutable, and refuse what is not fit."""

from __future__ import annotations

import gc
import threading
import weakref
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    flash,
    g,
    jsonify,
    render_template_string,
    request,
    request_started,
    session,
    template_rendered,
    url_for,
)

from tenantry import Flyweight, current_tenant, init_tenant
from tenantry.errors import FrozenError
from tenantry.settings import Settings
from tenantry.values.tenant import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Maker = Callable[[Tenant], Flask]

# A prototype is searched for in the whole heap, which is small in the suite's first part.
pytestmark = pytest.mark.heap

ACME = Tenant(id="a" * 32, slug="acme", name="Acme")
GLOBEX = Tenant(id="b" * 32, slug="globex", name="Globex")


def build(folder: Path) -> Flask:  # noqa: C901 - one of everything
    """Build an app that uses what Flask offers; it knows of no tenant."""
    app = Flask("tenantry.ui", static_folder=str(folder), static_url_path="/static")
    app.config["GREETING"] = "Hello"
    pages = Blueprint("pages", __name__, url_prefix="/pages")

    @app.before_request
    def note_start() -> None:
        g.started = current_tenant.slug

    @app.after_request
    def add_header(response: Response) -> Response:
        response.headers["X-Tenant"] = g.started
        return response

    @app.teardown_appcontext
    def tear_down(_error: BaseException | None) -> None:
        current_app.extensions.setdefault("torn_down", []).append(current_tenant.slug)

    @app.context_processor
    def more() -> dict[str, Any]:
        return {"shout": current_tenant.name.upper()}

    @app.template_filter("twice")
    def twice(text: str) -> str:
        return text * 2

    @app.errorhandler(404)
    def missing(_error: Exception) -> tuple[str, int]:
        return f"{current_tenant.name} has no such page", 404

    @app.errorhandler(KeyError)
    def no_key(_error: Exception) -> tuple[str, int]:
        return "no key", 418

    @app.get("/")
    def home() -> str:
        flash("saved")
        template = (
            "{{ config.SITE }} {{ shout }} {{ url_for('pages.one', number=3) }} "
            "{{ get_flashed_messages()|join }} {{ {'a': 1}|tojson }} {{ 'x'|twice }} "
            "{{ request.path }} {{ g.started }}"
        )
        return render_template_string(template)

    @app.get("/key")
    def key() -> str:
        raise KeyError("x")

    @app.get("/gone")
    def gone() -> str:
        abort(410)

    @app.get("/session")
    def count() -> str:
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    @app.get("/json")
    def as_json() -> Response:
        return jsonify(tenant=current_tenant.id, external=url_for("home", _external=True))

    @app.get("/log")
    def log() -> str:
        current_app.logger.warning("from %s", current_tenant.slug)
        return current_app.instance_path

    @pages.get("/<int:number>")
    def one(number: int) -> str:
        return f"{request.endpoint} {number}"

    @app.cli.command("greet")
    def greet() -> None:
        print(f"Hello from {current_tenant.slug}")  # noqa: T201 - a command prints

    @pages.before_request
    def only_pages() -> None:
        g.in_pages = True

    app.register_blueprint(pages)
    return app


def set_site(app: Flask, tenant: Tenant) -> None:
    """Give an app what is its tenant's."""
    app.config["SITE"] = f"Site of {tenant.name}"


@pytest.fixture
def own_settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "var", secret_keys=("k" * 32,))  # type: ignore[arg-type]


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "style.css").write_text("body { color: teal }")
    return folder


@pytest.fixture(params=["full", "flyweight"])
def make(request: pytest.FixtureRequest, static: Path, own_settings: Settings) -> Maker:
    """Make apps in both ways: the same behaviour is expected of them."""
    if request.param == "flyweight":
        flyweight = Flyweight(lambda: build(static), bind=set_site)
        return lambda tenant: flyweight.instance(tenant, settings=own_settings)

    def full(tenant: Tenant) -> Flask:
        app = build(static)
        init_tenant(app, tenant, settings=own_settings)
        set_site(app, tenant)
        return app

    return full


def test_templates_see_their_own_app(make: Maker) -> None:
    """``config``, ``url_for``, flashes, JSON, filters and processors are the current app's."""
    page = make(ACME).test_client().get("/").text
    assert page == 'Site of Acme ACME /pages/3 saved {"a": 1} xx / acme'
    assert make(GLOBEX).test_client().get("/").text.startswith("Site of Globex GLOBEX")


def test_hooks_and_error_handlers_run(make: Maker) -> None:
    """Before, after and teardown hooks run; errors find their handlers, and those without do too."""
    app = make(ACME)
    client = app.test_client()
    assert client.get("/").headers["X-Tenant"] == "acme"
    assert client.get("/nowhere").text == "Acme has no such page"
    assert client.get("/key").status_code == 418
    assert client.get("/gone").status_code == 410
    assert client.post("/").status_code == 405
    assert set(app.extensions["torn_down"]) == {"acme"}


def test_blueprints_and_converters_work(make: Maker) -> None:
    """Routes of blueprints match, build and refuse."""
    client = make(ACME).test_client()
    assert client.get("/pages/7").text == "pages.one 7"
    assert client.get("/pages/seven").status_code == 404


def test_static_files_are_served(make: Maker) -> None:
    """The static route answers, with a type and a validator."""
    response = make(ACME).test_client().get("/static/style.css")
    assert response.text == "body { color: teal }"
    assert response.mimetype == "text/css"
    assert response.headers["ETag"]
    response.close()


def test_external_urls_follow_the_request(make: Maker) -> None:
    """``url_for(_external=True)`` names the host and the mount of the request."""
    client = make(ACME).test_client()
    answer = client.get("/json", base_url="https://acme.example/sites/acme/").get_json()
    assert answer == {"tenant": ACME.id, "external": "https://acme.example/sites/acme/"}


def test_sessions_belong_to_one_tenant(make: Maker) -> None:
    """A session counts on at its own tenant and is worthless at the next (R15)."""
    acme, globex = make(ACME).test_client(), make(GLOBEX).test_client()
    assert [acme.get("/session").text for _ in range(2)] == ["1", "2"]
    cookie = acme.get_cookie("session")
    assert cookie is not None
    globex.set_cookie("session", cookie.value)
    assert globex.get("/session").text == "1"


def test_signals_name_their_sender(make: Maker) -> None:
    """A receiver connected to one tenant's app hears nothing of another's."""
    acme, globex = make(ACME), make(GLOBEX)
    heard: list[str] = []

    def hear(_sender: Flask, **_: Any) -> None:
        heard.append("acme")

    with request_started.connected_to(hear, sender=acme):
        globex.test_client().get("/")
        assert heard == []
        acme.test_client().get("/")
    assert heard == ["acme"]


def test_template_signals_name_their_sender(make: Maker) -> None:
    """Rendering tells about the app that renders, not about a prototype."""
    app = make(ACME)
    senders: list[Flask] = []

    def hear(sender: Flask, **_: Any) -> None:
        senders.append(sender)

    with template_rendered.connected_to(hear):
        app.test_client().get("/")
    assert senders == [app]


def test_logger_folder_and_commands_are_there(
    make: Maker, own_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """``app.logger``, ``instance_path`` and the command runner work."""
    app = make(ACME)
    assert app.test_client().get("/log").text == str(own_settings.tenant_dir(ACME.id))
    assert "from acme" in caplog.text
    assert app.test_cli_runner().invoke(args=["greet"]).output == "Hello from acme\n"


def test_config_and_extensions_are_their_own(make: Maker) -> None:
    """What one tenant's app changes in its config or extensions stays there."""
    acme, globex = make(ACME), make(GLOBEX)
    acme.config["GREETING"] = "Hi"
    acme.extensions["mine"] = 1
    assert globex.config["GREETING"] == "Hello"
    assert "mine" not in globex.extensions
    assert acme.secret_key != globex.secret_key
    assert isinstance(acme, Flask)


def test_an_app_dies_with_its_last_reference(make: Maker) -> None:
    """No registry and no cycle keeps a disposed instance alive."""
    app = make(ACME)
    app.test_client().get("/")
    gone = weakref.ref(app)
    del app
    gc.collect()
    assert gone() is None


def test_an_idle_flyweight_needs_no_collector(static: Path, own_settings: Settings) -> None:
    """A flyweight is freed by counting alone: evictions cause no collection."""
    flyweight = Flyweight(lambda: build(static), bind=set_site)
    app = flyweight.instance(ACME, settings=own_settings)
    gone = weakref.ref(app)
    gc.disable()
    try:
        del app
        assert gone() is None
    finally:
        gc.enable()


def test_the_prototype_is_built_once(static: Path, own_settings: Settings) -> None:
    """However many tenants arrive at once, there is one prototype."""
    built: list[int] = []
    barrier = threading.Barrier(8)

    def count() -> Flask:
        built.append(1)
        return build(static)

    flyweight = Flyweight(count, bind=set_site)

    def arrive() -> None:
        barrier.wait()
        flyweight.instance(ACME, settings=own_settings)

    threads = [threading.Thread(target=arrive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_a_failed_prototype_is_tried_again(static: Path, own_settings: Settings) -> None:
    """An error while building the prototype is the caller's; the next call starts anew."""
    results: list[Flask | None] = [None, build(static)]

    def fail_first() -> Flask:
        app = results.pop(0)
        if app is None:
            raise OSError("not now")
        return app

    flyweight = Flyweight(fail_first)
    with pytest.raises(OSError, match="not now"):
        flyweight.instance(ACME, settings=own_settings)
    assert (
        flyweight.instance(ACME, settings=own_settings).test_client().get("/json").status_code
        == 200
    )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda app: app.add_url_rule("/late", "late", lambda: ""), id="route"),
        pytest.param(lambda app: app.before_request(lambda: None), id="before_request"),
        pytest.param(lambda app: app.before_request_funcs.setdefault(None, []), id="hooks"),
        pytest.param(lambda app: app.view_functions.update(x=1), id="views"),
        pytest.param(lambda app: app.url_map.add(None), id="url_map"),
        pytest.param(lambda app: app.register_blueprint(Blueprint("b", "b")), id="blueprint"),
        pytest.param(lambda app: app.errorhandler(500)(lambda _: ""), id="errorhandler"),
    ],
)
def test_shared_tables_are_frozen(
    change: Callable[[Flask], object], static: Path, own_settings: Settings
) -> None:
    """A late registration would change every tenant's app: it fails with a sentence."""
    app = Flyweight(lambda: build(static)).instance(ACME, settings=own_settings)
    with pytest.raises(FrozenError, match="every tenant"):
        change(app)


def closing_over() -> Flask:
    app = Flask("closing")

    def decorate(view: Callable[[], str]) -> Callable[[], str]:
        @wraps(view)
        def decorated() -> str:
            return f"{view()}{app.extensions['seen']}"

        return decorated

    @app.before_request
    def note() -> None:
        app.extensions["seen"] = f" of {app.config['NAME']}"

    @app.get("/")
    @decorate
    def home() -> str:
        return f"site of {app.config['NAME']}"

    return app


def test_views_and_hooks_that_close_over_the_app_work(own_settings: Settings) -> None:
    """What is defined where the app is made finds the tenant's own app, decorated or not."""
    site = Flyweight(closing_over, bind=lambda app, tenant: app.config.update(NAME=tenant.name))
    acme, globex = (site.instance(tenant, settings=own_settings) for tenant in (ACME, GLOBEX))
    assert acme.test_client().get("/").text == "site of Acme of Acme"
    assert globex.test_client().get("/").text == "site of Globex of Globex"
    assert "seen" not in site.prepare().extensions
