"""A small platform: real catalog, real pool, a tiny factory, and browsers to look at it with."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from flask import Flask, current_app, session
from flask_wtf.csrf import generate_csrf
from pydantic import SecretStr
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from werkzeug.wrappers import Response

from backend_app import create_app
from frontend_app import create_app as create_front
from tenantry.catalog import SYSTEM, Account, Catalog, open_catalog
from tenantry.catalog.directory import Directory
from tenantry.factory import Factory
from tenantry.flask.jobs import _queues, provide_queue
from tenantry.flask.sessions import SCOPE
from tenantry.lifecycle import Operations
from tenantry.management import EXTENSION, Action, Column, Listing, Row
from tenantry.pool import InstancePool
from tenantry.security.keys import PLATFORM
from tenantry.settings import Settings
from tests.hashing import cheap_hashing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask.sessions import SecureCookieSessionInterface
    from werkzeug.test import TestResponse

    from tenantry.values.tenant import Tenant

APEX = "example.test"
COOKIE = "account"
PASSWORD = "four brown horses walk"


class Shelf:
    """A section of the tiny site: things that can be renamed by choice, and removed."""

    name = "things"
    label = "Things"
    columns = (Column("name", "Name"), Column("colour", "Colour"))
    actions = (
        Action("paint", "Paint", choices=("red", "blue")),
        Action("remove", "Remove", style="danger", confirm="Remove it?"),
        Action("refuse", "Refuse"),
    )

    def __init__(self, slug: str) -> None:
        self.is_broken = False
        self.things = {str(n): [f"{slug} thing {n:02}", "red"] for n in range(1, 31)}

    def find(self, *, search: str, page: int, size: int) -> Listing:
        if search == "explode" or self.is_broken:
            raise RuntimeError("The boiler is broken.")
        found = [(key, it) for key, it in self.things.items() if search in it[0]]
        rows = tuple(
            Row(key, {"name": it[0], "colour": it[1]}, f"/things/{key}", ("paint", "remove"))
            for key, it in found[(page - 1) * size : page * size]
        )
        return Listing(rows, len(found))

    def act(self, action: str, row_id: str, *, choice: str | None, actor: str) -> str:
        if action == "refuse":
            raise ValueError("This is never done.")
        name = self.things[row_id][0]
        if action == "remove":
            del self.things[row_id]
            return f"{name} is removed by {actor}."
        self.things[row_id][1] = choice or ""
        return f"{name} is {choice} now."


class Management:
    """What the tiny site offers; it works only in its own app's context."""

    def __init__(self, slug: str) -> None:
        self.sections = (Shelf(slug),)

    def entry_path(self, *, email: str, name: str) -> str:
        assert current_app.name == "site"
        return f"/members/enter/{email}{name}"


@dataclass
class Workshop:
    """The factory's module: what it has built, and what it refuses to."""

    broken: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    """Slugs whose app offers nothing to manage."""

    def build(self, tenant: Tenant) -> Flask:
        if tenant.slug in self.broken:
            raise RuntimeError("The factory is broken.")
        app = Flask("site")
        if tenant.slug not in self.bare:
            app.extensions[EXTENSION] = Management(tenant.slug)
        return app


class Browser:
    """One person's browser: keeps cookies by host, fills in form tokens."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients: dict[str, Client] = {}

    def client(self, host: str) -> Client:
        return self._clients.setdefault(host, Client(self._world, Response))

    def get(self, path: str, host: str = APEX, **options: Any) -> TestResponse:
        return self.open("GET", path, host, **options)

    def open(self, method: str, path: str, host: str = APEX, **options: Any) -> TestResponse:
        return self.client(host).open(
            f"/backend{path}", method=method, base_url=f"http://{host}", **options
        )

    def front(self, method: str, path: str, **options: Any) -> TestResponse:
        """Ask the front app, where people sign in."""
        host = self._world.settings.accounts_host
        return self.client(host).open(path, method=method, base_url=f"http://{host}", **options)

    def token(self, host: str = APEX, path: str = "/") -> str:
        """Return a form token of this browser's session, from whatever page has one."""
        if host == self._world.settings.accounts_host:
            pages = [self.front("GET", "/forgot")]
        else:
            pages = [self.get(path, host), self.get(self._world.entry(host), host)]
        for page in pages:
            if found := re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text):
                return found[1]
        raise AssertionError("No page has a form.")

    def post(
        self, path: str, data: dict[str, Any] | None = None, host: str = APEX, **options: Any
    ) -> TestResponse:
        """Send a form as a page of this host would."""
        form = {"csrf_token": self.token(host), **(data or {})}
        return self.open("POST", path, host, data=form, **options)

    def sign_in(self, email: str, host: str = APEX, password: str = PASSWORD) -> TestResponse:
        """Sign in at the front app, and go on to a site's host by the link that it makes."""
        form = {"email": email, "password": password}
        form["csrf_token"] = self.token(self._world.settings.accounts_host)
        slug = host.removesuffix(f".{APEX}")
        query = {"site": slug} if host != self._world.settings.accounts_host else {}
        answer = self.front("POST", "/signin", query_string=query, data=form)
        if "Refresh" not in answer.headers:
            return answer
        link = answer.headers["Refresh"].partition("/backend")[2]
        return self.post(link, host=host)

    def cookie(self, host: str = APEX) -> str | None:
        """Return this browser's session cookie for a host."""
        cookie = self.client(host).get_cookie(COOKIE, domain=host)
        return cookie.value if cookie else None

    def adopt(self, cookie: str, host: str = APEX) -> Browser:
        """Take a session cookie from wherever it was made."""
        self.client(host).set_cookie(COOKIE, cookie, domain=host)
        return self


@dataclass
class World:
    """The platform: an operator, Olga with Acme, Otto with Bolt."""

    app: Flask
    settings: Settings
    catalog: Catalog
    factory: Factory
    workshop: Workshop
    pool: InstancePool[Flask]
    directory: Directory

    def __post_init__(self) -> None:
        front = create_front(
            settings=self.settings, catalog=self.catalog, factory=self.factory, pool=self.pool
        )
        self.mounted = DispatcherMiddleware(Response("", 404), {"/backend": self.app})
        self.on_apex = DispatcherMiddleware(front, {"/backend": self.app})

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = environ["tenantry.host"] = environ["HTTP_HOST"].partition(":")[0]
        if (tenant := self.directory.find(host)) is not None:
            environ["tenantry.tenant"] = tenant
        environ["tenantry.request_id"] = "0123456789abcdef"
        app = self.on_apex if host == self.settings.accounts_host else self.mounted
        return app(environ, start_response)

    def close(self) -> None:
        assert self.pool.stats().leases == 0, "a lease leaked"
        self.pool.close()
        self.catalog.close()
        _queues.clear()

    def host(self, slug: str) -> str:
        return f"{slug}.{APEX}"

    def add_account(self, email: str, *, operator: bool = False) -> Account:
        account = self.catalog.accounts.find(email)
        if account is None:
            account = self.catalog.accounts.add(email, operator=operator, by=SYSTEM)
        return self.catalog.accounts.set_password(account.id, PASSWORD, by=SYSTEM)

    def add_tenant(self, slug: str, owner: str | None = None) -> Tenant:
        return Operations(self.catalog, self.factory, settings=self.settings, actor=SYSTEM).create(
            slug, name=slug.capitalize(), owner_email=owner
        )

    def browser(self, email: str | None = None, host: str = APEX) -> Browser:
        """Return a new browser, signed in on one host if *email* is given."""
        browser = Browser(self)
        if email:
            assert browser.sign_in(email, host).status_code == 303
        return browser

    def sign_cookie(self, email: str, slug: str | None = None, **changes: Any) -> str:
        """Return the cookie of a session, made without a password; *changes* spoil it."""
        account = self.catalog.accounts.find(email)
        assert account is not None
        facts: dict[str, Any] = {
            "lifetime": timedelta(minutes=1),
            "tenant_id": self.catalog.tenants.get(slug).id if slug else None,
        }
        facts |= {name: changes.pop(name) for name in ("as_operator", *facts) if name in changes}
        made = self.catalog.sessions.start(account.id, by=SYSTEM, **facts)
        claims = {
            "id": made.id,
            "csrf_token": "0" * 40,
            SCOPE: PLATFORM,
            **changes,
        }
        interface = cast("SecureCookieSessionInterface", self.app.session_interface)
        serializer = interface.get_signing_serializer(self.app)
        assert serializer is not None
        signed = serializer.dumps(claims)
        assert isinstance(signed, str)
        return signed

    def entry(self, host: str) -> str:
        """Return a link that would let Olga in, and that nobody uses: its page has a form."""
        tenant = self.directory.find(host)
        account = self.catalog.accounts.find("olga@example.com")
        if tenant is None or account is None:
            return "/"
        minute = timedelta(minutes=1)
        token = self.catalog.links.create(
            "enter", account_id=account.id, tenant_id=tenant.id, lifetime=minute, by=SYSTEM
        )
        return f"/enter/{token}"

    def form_token(self) -> str:
        """Return the form token of the sessions that :meth:`sign_cookie` makes."""
        with self.app.test_request_context():
            session["csrf_token"] = "0" * 40
            return str(generate_csrf())

    def visitor(self, slug: str, email: str = "operator@example.com") -> Browser:
        """Return a browser whose operator has come to a tenant through a link."""
        tenant, account = self.catalog.tenants.get(slug), self.catalog.accounts.find(email)
        assert account is not None
        token = self.catalog.links.create(
            "enter",
            account_id=account.id,
            tenant_id=tenant.id,
            lifetime=timedelta(minutes=1),
            by=SYSTEM,
        )
        browser = Browser(self)
        assert browser.post(f"/enter/{token}", host=self.host(slug)).status_code == 303
        return browser

    def actions(self, tenant_id: str | None = None) -> list[str]:
        """Return the newest actions of the audit trail, newest first."""
        events = self.catalog.audit.list(tenant_id=tenant_id, size=30).items
        return [event.action for event in events]


def build_world(folder: Path, **overrides: Any) -> World:
    settings = Settings(
        domain=APEX,
        data_dir=folder,
        secret_keys=(SecretStr("0123456789abcdef" * 2),),
        **{"base_url": f"http://{APEX}", **overrides},
    )
    catalog = open_catalog(settings)
    provide_queue(settings, catalog)
    workshop = Workshop()
    pool: InstancePool[Flask] = InstancePool(workshop.build)
    directory = Directory(catalog, domain=APEX)
    directory.subscribe(pool.retire)
    factory = Factory(build=workshop.build)
    app = create_app(settings=settings, catalog=catalog, factory=factory, pool=pool)
    return World(app, settings, catalog, factory, workshop, pool, directory)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a platform with nobody on it: migrations run only once."""
    world = build_world(tmp_path_factory.mktemp("empty"))
    world.catalog.upgrade()
    world.close()
    return world.settings.data_dir


@pytest.fixture(scope="session")
def peopled(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a platform with its people: passwords are hashed only once."""
    folder = tmp_path_factory.mktemp("peopled")
    shutil.copytree(empty, folder, dirs_exist_ok=True)
    world = build_world(folder)
    world.add_tenant("acme", "olga@example.com")
    world.add_tenant("bolt", "otto@example.com")
    with cheap_hashing():
        for email in ("olga@example.com", "otto@example.com"):
            world.add_account(email)
        world.add_account("operator@example.com", operator=True)
    world.close()
    return folder


@pytest.fixture
def make_world(empty: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Return a function that makes an empty platform with the settings given."""
    worlds: list[World] = []

    def make(**overrides: Any) -> World:
        shutil.copytree(empty, tmp_path / "data")
        worlds.append(build_world(tmp_path / "data", **overrides))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(peopled: Path, tmp_path: Path) -> Iterator[World]:
    """Return the platform with its people and sites."""
    shutil.copytree(peopled, tmp_path / "data")
    world = build_world(tmp_path / "data")
    yield world
    world.close()


@pytest.fixture
def operator(world: World) -> Browser:
    """Return the operator's browser, signed in on the apex."""
    return world.browser("operator@example.com")


@pytest.fixture
def olga(world: World) -> Browser:
    """Return the browser of Acme's owner, signed in on Acme's host."""
    return world.browser("olga@example.com", world.host("acme"))
