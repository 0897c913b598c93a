"""A front app on a real catalog, with a tiny factory behind it, and people who use it."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from pydantic import SecretStr

import frontend_app.bot_checks
from frontend_app import create_app
from tenantry.catalog import SYSTEM, Account, Catalog, open_catalog
from tenantry.factory import Factory
from tenantry.flask.jobs import _queues, provide_queue
from tenantry.lifecycle import Operations
from tenantry.management import EXTENSION
from tenantry.pool import InstancePool
from tenantry.settings import Settings
from tenantry.values.tenant import TenantState
from tests.mails import queued_mails, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from itsdangerous import URLSafeSerializer
    from werkzeug.test import TestResponse

    from tenantry.values.tenant import Tenant

APEX = "example.test"
PASSWORD = "a purple lantern over the harbour"
NETWORKS = (f"198.{first}.{second}" for first in range(51, 100) for second in range(1, 250))


class Management:
    """What the tiny site offers: a way in for its owner."""

    sections = ()

    def entry_path(self, *, email: str, name: str) -> str:  # noqa: ARG002
        return f"/members/enter/{email}"


@dataclass
class Workshop:
    """The factory's module; it counts what it provisions."""

    provisioned: list[str] = field(default_factory=list)
    is_broken: bool = False

    def build(self, _tenant: Tenant) -> Flask:
        app = Flask("site")
        app.extensions[EXTENSION] = Management()
        return app

    def provision(self, tenant: Tenant) -> None:
        if self.is_broken:
            raise RuntimeError("The boiler is broken.")
        self.provisioned.append(tenant.slug)


class Person:
    """One person's browser on the apex: keeps cookies, fills in form tokens, comes from one network."""

    def __init__(self, front: Front, *, address: str | None = None, host: str = APEX) -> None:
        self.front = front
        self.client = front.app.test_client()
        self.address = address or f"{next(NETWORKS)}.7"
        self.host = host

    def open(self, method: str, path: str, **options: Any) -> TestResponse:
        environ = {
            "tenantry.request_id": "0123456789abcdef",
            "tenantry.host": self.host,
            "REMOTE_ADDR": self.address,
        }
        return self.client.open(
            path,
            method=method,
            base_url=f"http://{self.host}",
            environ_overrides=environ,
            **options,
        )

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.open("GET", path, **options)

    def token(self) -> str:
        for path in ("/forgot", "/signup"):
            found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.get(path).text)
            if found:
                return found[1]
        raise AssertionError("No page has a form.")

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
        """Send a form as a page of this host would."""
        form = {"csrf_token": self.token(), **(data or {})}
        return self.open("POST", path, data=form, **options)

    def sign_in(self, email: str, password: str = PASSWORD, **options: Any) -> TestResponse:
        return self.post("/signin", {"email": email, "password": password}, **options)

    def sign_up(self, slug: str, **changes: Any) -> TestResponse:
        """Send the sign-up form as somebody who took their time."""
        path = changes.pop("path", "/signup")
        form = {
            "slug": slug,
            "title": slug.title(),
            "email": f"{slug}@mail.test",
            "password": PASSWORD,
            "stamp": self.front.old_stamp(self.get(path).text),
            **changes,
        }
        return self.post(path, form)


@dataclass
class Front:
    """The front app and what stands behind it."""

    app: Flask
    settings: Settings
    catalog: Catalog
    workshop: Workshop
    pool: InstancePool[Flask]
    operations: Operations

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.open("GET", path, **options)

    def open(
        self, method: str, path: str, *, unknown: str | None = None, **options: Any
    ) -> TestResponse:
        """Ask on the apex, or on a name that the front door found unknown."""
        environ = {"tenantry.request_id": "0123456789abcdef"}
        host = APEX
        if unknown is not None:
            environ["tenantry.unknown_slug"] = unknown
            host = f"{unknown}.{APEX}"
        return self.app.test_client().open(
            path, method=method, base_url=f"http://{host}", environ_overrides=environ, **options
        )

    def person(self, email: str | None = None, **options: Any) -> Person:
        """Return somebody at a browser of their own, signed in if *email* is given."""
        person = Person(self, **options)
        if email:
            assert person.sign_in(email).status_code == 303
        return person

    def add_account(self, email: str, *, operator: bool = False) -> Account:
        """Return a confirmed account with a password."""
        account = self.catalog.accounts.add_invited(email, name="", password=PASSWORD, by=SYSTEM)
        if operator:
            with self.catalog.store.writing(SYSTEM) as writer:
                writer.get_account(account.id).operator = True
        found = self.catalog.accounts.find_by_id(account.id)
        assert found is not None
        return found

    def add_site(self, slug: str, name: str, *, listed: bool = True, **settings: Any) -> str:
        """Add an active tenant; return its id."""
        tenant = self.catalog.tenants.add(
            slug, name=name, settings={"listed": listed, **settings}, by=SYSTEM
        )
        self.catalog.tenants.transition(tenant.id, TenantState.ACTIVE, by=SYSTEM)
        return tenant.id

    def add_tenant(self, slug: str, owner: str) -> Tenant:
        """Add a site with its owner."""
        return self.operations.create(slug, name=slug.title(), owner_email=owner)

    def old_stamp(self, page: str) -> str:
        """Return the stamp of a form, as if it had been open for a minute."""
        found = re.search(r'name="stamp" value="([^"]+)"', page)
        assert found is not None, page
        with self.app.app_context():
            serializer: URLSafeSerializer = frontend_app.bot_checks._serializer()
            nonce, _ = serializer.loads(found[1])
            return str(serializer.dumps([nonce, time.time() - 60]))

    def mails(self, to: str | None = None) -> list[EmailMessage]:
        """Return the mails that were sent, the oldest first."""
        return queued_mails(self.catalog, self.settings, to)

    def link(self, to: str) -> str:
        """Return the path of the link in the newest mail to an address."""
        body = text_of(self.mails(to)[-1])
        found = re.findall(r"http://example\.test:8000(/\w[\w-]*/\S+)", body)
        assert found, body
        return str(urlsplit(found[0]).path)

    def actions(self) -> list[str]:
        """Return the newest actions of the audit trail, newest first."""
        return [event.action for event in self.catalog.audit.list(size=40).items]


@pytest.fixture(scope="session")
def empty_platform(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a platform without sites: migrations run only once."""
    folder = tmp_path_factory.mktemp("front")
    catalog = open_catalog(_settings(folder))
    catalog.upgrade()
    catalog.close()
    return folder


def _settings(folder: Path, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "domain": APEX,
        "base_url": f"http://{APEX}:8000",
        "signup": "open",
        "data_dir": folder,
        "secret_keys": (SecretStr("0123456789abcdef" * 2),),
    }
    return Settings(**(values | changes))


@pytest.fixture
def make_front(empty_platform: Path, tmp_path: Path) -> Iterator[Callable[..., Front]]:
    """Return a function that makes the front app of a platform without sites."""
    made: list[Front] = []

    def make(**changes: Any) -> Front:
        shutil.copytree(empty_platform, tmp_path / "data", dirs_exist_ok=True)
        settings = _settings(tmp_path / "data", **changes)
        catalog, workshop = open_catalog(settings), Workshop()
        provide_queue(settings, catalog)
        pool: InstancePool[Flask] = InstancePool(workshop.build)
        factory = Factory(build=workshop.build, provision=workshop.provision)
        app = create_app(settings=settings, catalog=catalog, factory=factory, pool=pool)
        operations = Operations(catalog, factory, settings=settings, actor=SYSTEM)
        made.append(Front(app, settings, catalog, workshop, pool, operations))
        return made[-1]

    yield make
    for front in made:
        assert front.pool.stats().leases == 0, "a lease leaked"
        front.pool.close()
        front.catalog.close()
    _queues.clear()


@pytest.fixture
def front(make_front: Callable[..., Front]) -> Front:
    """Return the front app of a platform without sites."""
    return make_front()
