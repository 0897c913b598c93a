"""Pages from memory: for visitors who are not signed in, and never older than a commit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from flask import (
    Flask,
    Response,
    abort,
    after_this_request,
    flash,
    get_flashed_messages,
    make_response,
    redirect,
    request,
    session,
)
from sqlalchemy import text

from tenantry import Flyweight, TenantSQLAlchemy, init_tenant, page_cache, tenant_database
from tenantry.environ import TENANT
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.test import TestResponse

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

db = TenantSQLAlchemy(add_models_to_shell=False)
ran: list[str] = []
"""Each call of a view."""


def build() -> Flask:
    """Build an app whose views say what they do."""
    app = Flask(__name__)
    db.init_app(app)

    @app.get("/")
    @page_cache
    def front() -> str:
        ran.append("front")
        words = db.session.execute(text("SELECT word FROM words ORDER BY word")).scalars()
        return f"<p>{' '.join(words)}"

    @app.get("/about/<name>")
    @page_cache(vary=("X-Theme",))
    def about(name: str) -> str:
        ran.append("about")
        theme = request.headers.get("X-Theme", "plain")
        return f"{name} {request.args.get('q', '')} {theme} {request.url}"

    @app.route("/odd/<what>", methods=["GET", "POST"])
    @page_cache
    def odd(what: str) -> Any:
        ran.append(what)
        return ODD[what]()

    @app.get("/until/<year>")
    @page_cache(until=lambda: _read_year(request.view_args or {}))
    def timed(year: str) -> str:
        ran.append(year)
        return year

    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Mark"] = str(len(ran))
        return response

    return app


def _read_year(values: dict[str, str]) -> datetime | None:
    year = values["year"]
    if year == "naive":
        return datetime(2999, 1, 1)  # noqa: DTZ001 - as many databases return it
    return datetime(int(year), 1, 1, tzinfo=UTC) if year.isdecimal() else None


def _flashes() -> str:
    flash("hello")
    return "x"


def _reads_flashes() -> str:
    return f"{get_flashed_messages()} {session.get('name')}"


def _keeps_token() -> str:
    session["csrf_token"] = "secret"
    return "secret"


def _cookie_of_a_hook() -> str:
    @after_this_request
    def set_cookie(response: Response) -> Response:
        response.set_cookie("token", "x")
        return response

    return "x"


def _changed_by_a_hook() -> str:
    @after_this_request
    def change(response: Response) -> Response:
        response.set_data("with a token")
        return response

    return "x"


def _with(status: int = 200, **headers: str) -> Response:
    response = make_response("x", status)
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


def _own_headers() -> Response:
    response = _with(Cache_Control="public, max-age=60", ETag='"own"', Content_Language="de")
    response.content_type = "text/x-own"
    return response


def _says_x() -> str:
    ran.append("x")
    return "x"


ODD: dict[str, Callable[[], Any]] = {
    "flash": _flashes,
    "token": _keeps_token,
    "cookie": lambda: _with(Set_Cookie="a=b"),
    "hook-cookie": _cookie_of_a_hook,
    "hook-change": _changed_by_a_hook,
    "private": lambda: _with(Cache_Control="private"),
    "no-store": lambda: _with(Cache_Control="no-store"),
    "vary": lambda: _with(Vary="X-Country"),
    "vary-all": lambda: _with(Vary="*"),
    "nonce": lambda: _with(Content_Security_Policy="script-src 'nonce-abc'"),
    "redirect": lambda: redirect("/"),
    "missing": lambda: abort(404),
    "error": lambda: ("no", 500),
    "stream": lambda: Response(iter(["a", "b"])),
    "empty-session": _reads_flashes,
    "own": _own_headers,
    "tuple": lambda: ("x", {"X-Own": "y"}),
}
KEPT = {"empty-session", "own", "tuple"}


@pytest.fixture(scope="module")
def shared() -> Flyweight:
    """Return what makes flyweights: its prototype takes a walk over the heap, so there is one."""
    return Flyweight(build)


@pytest.fixture(params=["full", "flyweight"])
def make_app(
    request: pytest.FixtureRequest, any_settings: Settings, shared: Flyweight
) -> Iterator[Callable[..., Flask]]:
    """Return a function that makes a tenant's app and database, in both kinds of instances."""
    apps = []

    def make(tenant: Tenant | None = None) -> Flask:
        tenant = tenant or a_tenant()
        if request.param == "flyweight":
            app = shared.instance(tenant, settings=any_settings)
        else:
            init_tenant(app := build(), tenant, settings=any_settings)
        database = tenant_database(tenant, any_settings)
        if not database.exists():
            database.create()
            write(app, "CREATE TABLE words (word TEXT)")
        apps.append(app)
        return app

    yield make
    for app in apps:
        db.close(app)


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """Return an app that nobody has asked."""
    ran.clear()
    return make_app()


def write(app: Flask, statement: str, **values: str) -> None:
    """Commit a change."""
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()


def get(app: Flask, path: str = "/", **options: Any) -> TestResponse:
    """Ask as a visitor who was never here."""
    return app.test_client(use_cookies=False).get(path, **options)


def test_a_page_is_rendered_once_and_again_after_each_commit(app: Flask) -> None:
    """What is served is what the database holds, whether or not it comes from memory."""
    for number in range(3):
        write(app, "INSERT INTO words VALUES (:word)", word=f"w{number}")
        first, second = get(app), get(app)
        assert first.text == second.text == "<p>" + " ".join(f"w{n}" for n in range(number + 1))
        assert len(ran) == number + 1
    assert (first.status_code, first.mimetype) == (second.status_code, second.mimetype)
    assert second.headers["X-Mark"] == first.headers["X-Mark"]


def test_who_has_the_page_gets_a_304(app: Flask) -> None:
    """From memory, and when it has to be rendered to know."""
    etag = get(app).headers["ETag"]
    again = get(app, headers={"If-None-Match": etag})
    assert (again.status_code, again.data, len(ran)) == (304, b"", 1)
    write(app, "CREATE TABLE others (word TEXT)")
    assert get(app, headers={"If-None-Match": etag}).status_code == 304
    assert get(app, headers={"If-None-Match": etag}).status_code == 304
    assert len(ran) == 2
    write(app, "INSERT INTO words VALUES ('new')")
    changed = get(app, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.text) == (200, "<p>new")


def test_the_head_says_that_caches_have_to_ask(app: Flask) -> None:
    """A proxy may keep the page, and asks each time; a member's page is another one."""
    for answer in (get(app), get(app)):
        assert set(answer.headers["Cache-Control"].split(", ")) == {"public", "no-cache"}
        assert {"cookie", "accept", "accept-language"} == {v.lower() for v in answer.vary}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Cookie": "session=x"}, id="cookie"),
        pytest.param({"Authorization": "Bearer x"}, id="authorization"),
        pytest.param({"X-Forwarded-User": "ann"}, id="proxy signs in"),
        pytest.param({"Cf-Access-Jwt-Assertion": "x"}, id="access proxy"),
        pytest.param({"X-Api-Key": "x"}, id="key"),
        pytest.param({"Range": "bytes=0-1"}, id="range"),
        pytest.param({"HX-Request": "true"}, id="part"),
    ],
)
def test_a_request_that_may_say_who_asks_is_rendered(app: Flask, headers: dict[str, str]) -> None:
    """It gets nothing from memory, and leaves nothing there."""
    for _ in range(2):
        assert get(app, headers=headers).status_code == 200
    assert len(ran) == 2
    get(app)
    get(app, headers=headers)
    assert len(ran) == 4


def test_a_user_whom_the_server_knows_is_rendered(app: Flask) -> None:
    """Some servers sign visitors in by themselves."""
    for _ in range(2):
        get(app, environ_base={"REMOTE_USER": "ann"})
    assert len(ran) == 2


def test_head_and_get_share_a_page(app: Flask) -> None:
    """HEAD is served from a kept page, and never makes one."""
    client = app.test_client(use_cookies=False)
    client.head("/")
    get(app)
    assert len(ran) == 2
    answer = client.head("/")
    assert (answer.data, answer.headers["Content-Length"], len(ran)) == (b"", "3", 2)


@pytest.mark.parametrize("what", sorted(ODD))
def test_what_is_not_for_everybody_is_never_kept(app: Flask, what: str) -> None:
    """A session, a message, a token, a cookie, an error: each request runs the view."""
    answers = [get(app, f"/odd/{what}") for _ in range(3)]
    assert len(ran) == (1 if what in KEPT else 3)
    assert len({answer.status_code for answer in answers}) == 1
    assert len({answer.text for answer in answers}) == 1


def test_a_post_is_never_kept(app: Flask) -> None:
    """Only what is safe to ask twice is asked once."""
    client = app.test_client(use_cookies=False)
    for _ in range(2):
        client.post("/odd/own")
    assert len(ran) == 2


def test_a_view_keeps_its_own_headers(app: Flask) -> None:
    """Its caching, its ETag and its type are as it says, from memory too."""
    for answer in (get(app, "/odd/own"), get(app, "/odd/own")):
        assert answer.headers["ETag"] == '"own"'
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert (answer.mimetype, answer.headers["Content-Language"]) == ("text/x-own", "de")


def test_each_address_and_each_named_header_is_a_page(app: Flask) -> None:
    """Path, query, host, scheme, and what ``vary`` names."""
    asked: list[dict[str, Any]] = [
        {"path": "/about/a"},
        {"path": "/about/b"},
        {"path": "/about/a?q=1"},
        {"path": "/about/a?q=2"},
        {"path": "/about/a", "headers": {"X-Theme": "dark"}},
        {"path": "/about/a", "base_url": "http://other.test"},
        {"path": "/about/a", "base_url": "https://localhost"},
        {"path": "/about/a", "base_url": "http://localhost/prefix"},
    ]
    fresh = [get(app, **one).text for one in asked]
    assert [get(app, **one).text for one in asked] == fresh
    assert len(ran) == len(asked)


def test_languages_are_pages_of_their_own(app: Flask) -> None:
    """A view that says nothing may read what browsers prefer."""
    for language in ("en", "de", "en", "de"):
        get(app, headers={"Accept-Language": language})
    assert len(ran) == 2


def test_tenants_share_nothing(make_app: Callable[..., Flask]) -> None:
    """The same address of the site next door is its own page."""
    ran.clear()
    acme, globex = make_app(), make_app(a_tenant("globex"))
    write(acme, "INSERT INTO words VALUES ('acme')")
    assert [get(acme).text, get(globex).text, get(acme).text] == ["<p>acme", "<p>", "<p>acme"]


def test_a_new_revision_or_instance_renders_anew(make_app: Callable[..., Flask]) -> None:
    """A page shows what the tenant's record said; what an old instance made is its own."""
    ran.clear()
    app = make_app()
    newer = a_tenant(revision=2)
    get(app)
    get(app, environ_overrides={TENANT: newer})
    get(app, environ_overrides={TENANT: newer})
    assert len(ran) == 2
    get(make_app(newer), environ_overrides={TENANT: newer})
    assert len(ran) == 3


def test_without_a_database_or_the_platform_the_view_just_runs(any_settings: Settings) -> None:
    """The decorator changes nothing where it cannot know what is fresh."""
    ran.clear()
    bare, bound = Flask(__name__), Flask(__name__)
    init_tenant(bound, a_tenant("nobody"), settings=any_settings)
    for app in (bare, bound):
        app.add_url_rule("/", view_func=page_cache(_says_x))
        assert get(app).text == "x"
    assert len(ran) == 2


def test_a_view_that_calls_another_one_is_one_page(app: Flask) -> None:
    """What the inner view returns is not changed, and the outer page is kept."""
    inner = page_cache(_says_x)

    def outer() -> str:
        return f"outer {inner()}"

    plain = Flask(__name__)
    plain.extensions.update(app.extensions)
    plain.add_url_rule("/", view_func=page_cache(outer))
    assert [get(plain).text, get(plain).text] == ["outer x", "outer x"]
    assert ran == ["x"]


def test_debugging_shows_changed_templates(make_app: Callable[..., Flask]) -> None:
    """An app in debug mode renders each page."""
    ran.clear()
    app = make_app()
    app.config["DEBUG"] = True
    get(app)
    get(app)
    assert len(ran) == 2


def test_the_setting_turns_it_off(make_settings: Callable[..., Settings]) -> None:
    """No room, no pages."""
    ran.clear()
    tenant, settings = a_tenant(), make_settings(page_cache_mb=0)
    tenant_database(tenant, settings).create()
    init_tenant(app := build(), tenant, settings=settings)
    write(app, "CREATE TABLE words (word TEXT)")
    get(app)
    get(app)
    db.close(app)
    assert len(ran) == 2


@pytest.mark.parametrize(("year", "runs"), [("never", 1), ("2999", 1), ("2001", 3)])
def test_a_page_ends_when_its_view_says_so(app: Flask, year: str, runs: int) -> None:
    """What changes by the time alone is rendered again from that moment on."""
    assert [get(app, f"/until/{year}").text for _ in range(3)] == [year] * 3
    assert len(ran) == runs


def test_a_moment_without_its_zone_is_refused(app: Flask) -> None:
    """It would be the machine's own, and the page some hours old."""
    app.testing = True
    with pytest.raises(ValueError, match="needs a moment with its zone"):
        get(app, "/until/naive")
