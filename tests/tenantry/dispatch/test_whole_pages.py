"""Pages from memory that need no app: as fresh, as closed and as counted as any other answer."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, Response, session
from sqlalchemy import text

from tenantry import TenantSQLAlchemy, init_tenant, page_cache, tenant_database
from tenantry.catalog import SYSTEM
from tenantry.errors import RateLimitError
from tests.tenantry.support import crowded, make_environ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed.wsgi import WSGIApplication

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant
    from tests.tenantry.door import Door
    from tests.tenantry.support import Answer

db = TenantSQLAlchemy(add_models_to_shell=False)
WORDS = "Words that are worth compressing. " * 50


class House:
    """A door, and what its tenants' apps have done."""

    def __init__(self, make_door: Callable[..., Door], settings: Settings, **pool: Any) -> None:
        self.settings = settings
        self.ran: list[str] = []
        self.hooks: list[str] = []
        self.apps: list[Flask] = []
        self.wrap: Callable[[WSGIApplication], WSGIApplication] | None = None
        self.door = make_door(build=self.build, pool=pool)
        self.tenant = self.door.add("acme")

    def build(self, tenant: Tenant) -> Flask:
        app = Flask(__name__)
        init_tenant(app, tenant, settings=self.settings)
        db.init_app(app)
        tenant_database(tenant, self.settings).create()

        @app.after_request
        def hook(response: Response) -> Response:
            self.hooks.append(tenant.slug)
            response.headers["X-Hook"] = "was here"
            return response

        @app.get("/")
        @page_cache(vary=(), hooks=False)
        def front() -> str:
            self.ran.append(tenant.slug)
            tables = db.session.execute(text("SELECT name FROM sqlite_schema")).scalars()
            return f"{tenant.slug}: {', '.join(tables)}. {WORDS}"

        @app.get("/token")
        @page_cache(vary=(), hooks=False)
        def token() -> str:
            self.ran.append("token")
            session["csrf_token"] = "secret"
            return "secret"

        if self.wrap is not None:
            vars(app)["wsgi_app"] = self.wrap(app.wsgi_app)
        self.apps.append(app)
        return app

    def ask(self, path: str = "/", **options: Any) -> Answer:
        return self.door.ask(path, "acme", **options)

    def write(self, statement: str) -> None:
        database = tenant_database(self.tenant, self.settings)
        engine = database.open_engine()
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture
def make_house(
    make_door: Callable[..., Door], settings: Settings
) -> Iterator[Callable[..., House]]:
    """Return a function that opens a door for apps that keep whole pages."""
    houses: list[House] = []

    def make(**pool: Any) -> House:
        houses.append(House(make_door, settings, **pool))
        return houses[-1]

    yield make
    for house in houses:
        for app in house.apps:
            db.close(app)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """Return a door that nobody has come to."""
    return make_house()


def test_the_app_runs_once_and_its_hooks_are_in_the_answer(house: House) -> None:
    """From memory the answer is the same to the byte, but for the request's own id."""
    fresh, kept = house.ask(), house.ask()
    assert (house.ran, house.hooks) == (["acme"], ["acme"])
    assert (kept.status, kept.body) == (fresh.status, fresh.body)
    own = {"x-request-id": ""}
    assert {**kept.headers, **own} == {**fresh.headers, **own}
    assert kept.headers["x-hook"] == "was here"


def test_a_commit_is_followed_by_a_fresh_page(house: House) -> None:
    """No page is older than a write."""
    house.ask()
    for number in range(3):
        house.write(f"CREATE TABLE words_{number} (word TEXT)")
        assert f"words_{number}" in house.ask().text
        assert f"words_{number}" in house.ask().text
    assert len(house.ran) == 4


def test_not_modified_and_head(house: House) -> None:
    """A 304 has no body and no headers of one; HEAD has the headers."""
    etag = house.ask().headers["etag"]
    same = house.ask(headers={"If-None-Match": etag})
    assert (same.status, same.body) == (304, b"")
    assert same.headers["etag"] == etag
    assert "content-length" not in same.headers
    head = house.ask(method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > len(WORDS)
    assert house.ask(headers={"If-None-Match": '"other"'}).status == 200
    assert len(house.ran) == 1


def test_a_page_is_compressed_once(house: House) -> None:
    """What the compression makes of a page is kept with it, and is the page."""
    plain = house.ask()
    packed = [house.ask(headers={"Accept-Encoding": "gzip"}) for _ in range(3)]
    assert {answer.headers["content-encoding"] for answer in packed} == {"gzip"}
    assert {gzip.decompress(answer.body) for answer in packed} == {plain.body}
    assert house.ask().body == plain.body
    weak = packed[0].headers["etag"]
    assert house.ask(headers={"Accept-Encoding": "gzip", "If-None-Match": weak}).status == 304
    assert len(house.ran) == 1


def test_a_request_with_a_cookie_is_the_apps(house: House) -> None:
    """Who may be signed in is never answered from memory."""
    house.ask()
    house.ask(headers={"Cookie": "session=x"})
    house.ask(headers={"Authorization": "Bearer x"})
    house.ask(method="POST")
    assert house.ran == ["acme"] * 3


def test_a_token_is_never_kept(house: House) -> None:
    """A page with a visitor's own token sets a cookie, and is made for each one."""
    assert all(house.ask("/token").cookies for _ in range(3))
    assert house.ran == ["token"] * 3


def test_a_suspension_shows_at_the_next_request(house: House) -> None:
    """A closed site answers nothing from memory; opened again it is as it was."""
    house.ask()
    house.door.catalog.tenants.transition(house.tenant.id, "suspended", by=SYSTEM)  # type: ignore[arg-type]
    assert house.ask().status == 403
    house.door.catalog.tenants.transition(house.tenant.id, "active", by=SYSTEM)  # type: ignore[arg-type]
    assert house.ask().status == 200


def test_a_new_name_shows_at_the_next_request(house: House) -> None:
    """A change of the tenant's record is a new revision, which no older page is of."""
    house.ask()
    until = datetime.now(UTC) + timedelta(days=1)
    house.door.catalog.names.rename(house.tenant.id, "globex", redirects_until=until, by=SYSTEM)
    assert house.door.ask("/", "globex").text.startswith("globex: ")


def test_the_share_of_a_tenant_holds_for_pages_from_memory(
    make_house: Callable[..., House],
) -> None:
    """A site with all its places taken answers 503, though the page is there."""
    house = make_house(max_in_flight=lambda _: 1, listeners=crowded())
    house.ask()
    body = house.door.app(make_environ(host="acme.example.test"), lambda *_: lambda _: None)
    assert house.door.pool.stats().leases == 1
    assert house.ask().status == 503
    body.close()  # type: ignore[attr-defined]
    assert house.door.pool.stats().leases == 0
    assert len(house.ran) == 1


def test_the_rate_of_a_tenant_holds_for_pages_from_memory(make_house: Callable[..., House]) -> None:
    """Each one takes a token."""
    taken: list[str] = []

    def take(tenant: Tenant) -> int:
        taken.append(tenant.slug)
        if len(taken) > 2:
            raise RateLimitError(tenant.slug, 7)
        return 1

    house = make_house(take_tokens=take)
    statuses = [house.ask().status for _ in range(5)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert len(house.ran) == 1


def test_an_app_inside_of_middleware_is_always_asked(house: House) -> None:
    """What a middleware checks is checked for each request."""
    passed: list[str] = []

    def wrap(app: WSGIApplication) -> WSGIApplication:
        def middleware(environ: Any, start_response: Any) -> Any:
            passed.append(environ["PATH_INFO"])
            return app(environ, start_response)

        return middleware

    house.wrap = wrap
    house.ask()
    house.ask()
    assert (house.ran, passed) == (["acme"], ["/", "/"])


def test_whole_pages_cannot_vary() -> None:
    """The header would have to be looked at before the app is."""
    with pytest.raises(ValueError, match=r"needs vary=\(\)"):
        page_cache(hooks=False)
