"""What holds a prototype is led to the app at work, wherever it is; what cannot be led is refused."""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, current_app, request_started
from flask.views import View

from tenantry import Flyweight, current_tenant
from tenantry.errors import UnfitError
from tenantry.flask.building import Build
from tenantry.flask.flyweight import SharedFactory
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tenantry.settings import Settings

    Make = Callable[[], Flask]

# A prototype is searched for in the whole heap, which is small in the suite's first part.
pytestmark = pytest.mark.heap

ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")
HELD: dict[str, Any] = {}


def new_app() -> Flask:
    app = Flask("tenantry.ui")
    app.config["SECRET_KEY"] = "dev"
    return app


def answer(app: Flask) -> str:
    return str(app.config["NAME"])


def in_deep_closures() -> Flask:
    app = new_app()

    def decorate(view: Callable[[], str]) -> Callable[[], str]:
        @functools.wraps(view)
        def decorated() -> str:
            def inner() -> str:
                return view() if app.config["NAME"] else ""

            return inner()

        return decorated

    app.add_url_rule("/", "home", decorate(decorate(lambda: answer(app))))
    return app


def in_a_partial() -> Flask:
    app = new_app()
    app.add_url_rule("/", "home", functools.partial(answer, app))
    app.before_request_funcs[None].append(functools.partial(answer, app=app))
    app.before_request_funcs[None].clear()
    return app


def in_a_callable_object() -> Flask:
    class Page:
        __name__ = "page"

        def __init__(self, app: Flask) -> None:
            self.app = app

        def __call__(self) -> str:
            return answer(self.app)

    app = new_app()
    app.add_url_rule("/", "home", Page(app))
    return app


def in_slots() -> Flask:
    class Page:
        __slots__ = ("app",)

        def __init__(self, app: Flask) -> None:
            self.app = app

        def show(self) -> str:
            return answer(self.app)

    app = new_app()
    app.add_url_rule("/", "home", Page(app).show)
    return app


def in_a_method_of_its_own() -> Flask:
    class Shop(Flask):
        def home(self) -> str:
            return answer(self)

    app = Shop("tenantry.ui")
    app.add_url_rule("/", "home", app.home)
    return app


def in_a_view_class() -> Flask:
    class Page(View):
        def __init__(self, app: Flask) -> None:
            self.app = app

        def dispatch_request(self) -> str:
            return answer(self.app)

    app = new_app()
    app.add_url_rule("/", view_func=Page.as_view("home", app))
    return app


def in_a_class_attribute() -> Flask:
    class Page:
        app: Flask

        @classmethod
        def show(cls) -> str:
            return answer(cls.app)

    app = new_app()
    Page.app = app
    app.add_url_rule("/", "home", Page.show)
    return app


def in_defaults() -> Flask:
    app = new_app()

    def home(first: Flask = app, *, second: Flask = app) -> str:
        return answer(first) if answer(first) == answer(second) else "apart"

    app.add_url_rule("/", "home", home)
    return app


def in_a_global() -> Flask:
    app = new_app()
    HELD["app"], HELD["list"] = app, [app.config]
    app.add_url_rule("/", "home", lambda: answer(HELD["app"]) and HELD["list"][0]["NAME"])
    return app


def in_its_config() -> Flask:
    app = new_app()
    config, get = app.config, app.config.get
    app.add_url_rule("/", "home", lambda: config["NAME"] if get("SECRET_KEY") else "")
    return app


def in_jinja() -> Flask:
    app = new_app()
    app.jinja_env.globals["shop"] = app
    app.jinja_env.filters["name"] = lambda value: app.config[value]
    app.jinja_env.tests["named"] = lambda value: answer(app) == value
    app.context_processor(lambda: {"again": app.config["NAME"]})
    page = app.jinja_env.from_string(
        "{{ shop.config.NAME if again is named else '' }}{{ '' if 'NAME'|name == again else 'apart' }}"
    )
    app.add_url_rule("/", "home", page.render)
    app.view_functions["home"] = lambda: current_app.jinja_env.from_string(
        "{{ shop.config.NAME }}{{ '' if 'NAME'|name is named else 'apart' }}"
    ).render()
    return app


def in_an_error_handler() -> Flask:
    app = new_app()
    app.register_error_handler(404, lambda _error: answer(app))
    return app


def in_url_processors() -> Flask:
    app = new_app()
    app.url_defaults(lambda _endpoint, values: values.setdefault("q", app.config["NAME"]))
    app.url_value_preprocessor(lambda _endpoint, _values: app.config["NAME"])
    app.add_url_rule("/", "home", lambda: app.url_for("home").partition("=")[2])
    return app


class Wrapper:
    """A middleware that holds both the app and what it wraps."""

    def __init__(self, inner: Any, app: Flask) -> None:
        self.inner, self.app = inner, app

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["shop.name"] = self.app.config["NAME"]
        yield from self.inner(environ, start_response)


def in_middleware() -> Flask:
    from flask import request

    app = new_app()
    app.wsgi_app = Wrapper(Wrapper(app.wsgi_app, app), app)  # type: ignore[method-assign]
    app.add_url_rule("/", "home", lambda: request.environ["shop.name"])
    return app


def in_signals() -> Flask:
    app = new_app()

    @request_started.connect_via(app)
    def note(sender: Flask, **_: Any) -> None:
        sender.config["SEEN"] = answer(app)

    app.add_url_rule("/", "home", lambda: current_app.config["SEEN"])
    return app


def in_a_command() -> Flask:
    app = new_app()
    app.cli.command("name")(lambda: print(answer(app)))  # noqa: T201 - a command prints

    @app.get("/")
    def home() -> str:
        return app.test_cli_runner().invoke(args=["name"]).output.strip()

    return app


HOLDERS = [
    in_deep_closures,
    in_a_partial,
    in_a_callable_object,
    in_slots,
    in_a_method_of_its_own,
    in_a_view_class,
    in_a_class_attribute,
    in_defaults,
    in_a_global,
    in_its_config,
    in_jinja,
    in_an_error_handler,
    in_url_processors,
    in_middleware,
    in_signals,
    in_a_command,
]


@pytest.mark.parametrize("make", HOLDERS, ids=[make.__name__ for make in HOLDERS])
def test_what_holds_the_app_finds_the_app_at_work(make: Make, settings: Settings) -> None:
    """Law 9: nothing answers with the prototype, or with the tenant before."""
    site = Flyweight(make, bind=lambda app, tenant: app.config.update(NAME=tenant.name))
    acme, globex = (site.instance(tenant, settings=settings) for tenant in (ACME, GLOBEX))
    for app, name in ((acme, "Acme"), (globex, "Globex"), (acme, "Acme")):
        assert app.test_client().get("/").text == name
    HELD.clear()


def test_outside_of_an_app_it_raises(settings: Settings) -> None:
    """Law 1: what holds the app has no default tenant."""
    Flyweight(in_a_global).instance(ACME, settings=settings)
    with pytest.raises(RuntimeError, match="needs the app of one tenant"):
        HELD["app"].config["NAME"]
    HELD.clear()


def test_a_middleware_finds_the_app_that_it_is_called_for(settings: Settings) -> None:
    """Also where one tenant's app calls another's, as nobody should."""
    site = Flyweight(in_middleware, bind=lambda app, tenant: app.config.update(NAME=tenant.name))
    acme, globex = (site.instance(tenant, settings=settings) for tenant in (ACME, GLOBEX))
    with acme.test_request_context():
        assert globex.test_client().get("/").text == "Globex"


def test_containers_of_the_app_are_each_tenants_own(settings: Settings) -> None:
    """An attribute that fills while the app serves, fills for one tenant."""

    def create_app(_tenant: Any) -> Flask:
        app: Any = new_app()
        app.seen, app.config["SEEN"] = [], {"here": []}

        @app.get("/")  # type: ignore[untyped-decorator]
        def home() -> str:
            app.seen.append(1)
            app.config["SEEN"]["here"].append(1)
            return f"{len(app.seen)} {len(app.config['SEEN']['here'])}"

        return app  # type: ignore[no-any-return]

    shared = SharedFactory(create_app)
    acme, globex = (shared.instance(Build(tenant, settings)) for tenant in (ACME, GLOBEX))
    assert [app.test_client().get("/").text for app in (acme, acme, globex)] == [
        "1 1",
        "2 2",
        "1 1",
    ]


def in_a_set() -> Flask:
    app = new_app()
    HELD["set"] = {app}
    return app


def in_keys() -> Flask:
    app = new_app()
    HELD["keys"] = {app: "its own"}
    return app


def in_weak_keys() -> Flask:
    app = new_app()
    HELD["weak"] = weakref.WeakKeyDictionary({app: "its own"})
    return app


def in_a_context() -> Flask:
    app = new_app()
    HELD["context"] = app.app_context()
    return app


def in_a_counter() -> Flask:
    app = new_app()
    visits = 0

    @app.get("/")
    def count() -> str:
        nonlocal visits
        visits += 1
        return str(visits)

    return app


def in_an_empty_dictionary() -> Flask:
    app = new_app()
    kept: dict[str, str] = {}
    app.add_url_rule("/", "home", lambda: kept.setdefault("name", current_tenant.name))
    return app


def in_an_inner_cache() -> Flask:
    app = new_app()

    @functools.lru_cache
    def name() -> str:
        return current_tenant.name

    app.add_url_rule("/", "home", lambda: f"{name()}")
    return app


def from_a_key() -> Flask:
    app = new_app()
    app.token = app.config["SECRET_KEY"][::-1]  # type: ignore[attr-defined]
    return app


def in_a_path() -> Flask:
    app = new_app()
    folder = f"{app.instance_path}/exports"
    app.add_url_rule("/", "home", lambda: folder)
    return app


def into_its_folder() -> Flask:
    app = new_app()
    with open(f"{app.instance_path}/made.txt", "w") as file:  # noqa: PTH123 - as apps do
        file.write("made")
    return app


UNFIT = [
    (in_a_set, "test_fitness.* keeps hold of it"),
    (in_keys, "test_fitness.* keeps hold of it"),
    (in_weak_keys, "keeps hold of it"),
    (in_a_context, "leaves an app context open"),
    (in_a_counter, r"in_a_counter.*count \(.*test_fitness.py:\d+\) changes 'visits'"),
    (in_an_empty_dictionary, "uses 'kept', a dict"),
    (in_an_inner_cache, "uses 'name', whose results"),
    (from_a_key, r'test_fitness.py:\d+ reads config\["SECRET_KEY"\]'),
    (in_a_path, "in_a_path.*test_fitness.py.* keeps a path, key or name"),
    (into_its_folder, "writes made.txt into the tenant's folder"),
]


@pytest.mark.parametrize(("make", "words"), UNFIT, ids=[make.__name__ for make, _ in UNFIT])
def test_what_cannot_be_led_is_refused(make: Make, words: str, settings: Settings) -> None:
    """The sentence names what it is and where."""
    with pytest.raises(UnfitError, match=words):
        Flyweight(make).instance(ACME, settings=settings)
    HELD.clear()


def test_a_factory_that_takes_the_tenant(settings: Settings) -> None:
    """What is made of its id and name is made for each tenant; the tenant itself is the current one."""

    def create_app(tenant: Any) -> Flask:
        app = Flask("tenantry.ui", instance_relative_config=True)
        app.config.update(
            TITLE=f"Shop of {tenant.name}",
            FOLDERS=[f"{app.instance_path}/a", {"b": f"{app.instance_path}/b"}],
            UPLOAD_FOLDER="/srv/uploads",
            PREFIX=f"{app.config['CACHE_KEY_PREFIX']}pages",
        )
        app.motto = f"At {tenant.slug}"  # type: ignore[attr-defined]
        app.add_url_rule("/", "home", lambda: f"{tenant.name}, {tenant.settings['colour']}")
        return app

    shared = SharedFactory(create_app)
    for name, colour in (("acme", "red"), ("globex", "blue")):
        tenant = a_tenant(name, settings={"colour": colour})
        app: Any = shared.instance(Build(tenant, settings))
        folder = str(settings.tenant_dir(tenant.id))
        assert app.config["TITLE"] == f"Shop of {tenant.name}"
        assert app.config["FOLDERS"] == [f"{folder}/a", {"b": f"{folder}/b"}]
        assert app.config["UPLOAD_FOLDER"] == f"{folder}/uploads"
        assert app.config["PREFIX"] == f"t_{tenant.id}:pages"
        assert app.config.root_path == folder
        assert app.motto == f"At {name}"
        assert app.test_client().get("/").text == f"{tenant.name}, {colour}"


def test_a_factory_that_decides_by_the_tenant_is_refused(settings: Settings) -> None:
    """What it has decided for one tenant would hold for all."""

    def create_app(tenant: Any) -> Flask:
        app = Flask("tenantry.ui")
        app.config["TITLE"] = tenant.settings.get("title")
        return app

    with pytest.raises(UnfitError, match=r"test_fitness.py:\d+ reads tenant.settings"):
        SharedFactory(create_app).instance(Build(ACME, settings))


def test_a_tenants_own_config_file_is_refused(settings: Settings) -> None:
    """A flyweight's factory has run already: it would not be read."""

    def create_app(_tenant: Any) -> Flask:
        app = Flask("tenantry.ui", instance_relative_config=True)
        app.config.from_pyfile("config.py", silent=True)
        return app

    shared = SharedFactory(create_app)
    shared.instance(Build(ACME, settings))
    folder = settings.tenant_dir(GLOBEX.id)
    folder.mkdir(parents=True)
    (folder / "config.py").write_text("TITLE = 'Globex'")
    with pytest.raises(UnfitError, match=r"a configuration file of its own, config\.py"):
        shared.instance(Build(GLOBEX, settings))


def test_folders_that_the_factory_makes_are_made_for_each_tenant(settings: Settings) -> None:
    """As each run of a full factory makes them."""

    def create_app(_tenant: Any) -> Flask:
        import os

        app = Flask("tenantry.ui")
        os.makedirs(os.path.join(app.instance_path, "uploads", "small"))  # noqa: PTH103, PTH118 - as apps do
        return app

    SharedFactory(create_app).instance(Build(ACME, settings))
    assert (settings.tenant_dir(ACME.id) / "uploads" / "small").is_dir()
