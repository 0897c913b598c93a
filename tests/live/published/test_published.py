"""Published apps run as tenants, unchanged: two tenants each, through a whole life."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.live.member import Visitor
from tests.live.published.apps import FLASKR, IHATEMONEY, SECURITY, PublishedApp
from tests.live.published.fetching import fetch
from tests.live.published.life import Life, open_life
from tests.live.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKEND = "console.localhost"
ON_SERVER = pytest.mark.postgresql


@pytest.fixture(scope="session")
def published() -> Path:
    """Return the folder of the published apps."""
    return fetch()


@dataclass
class AppLife:
    """A platform of one published app."""

    app: PublishedApp
    life: Life

    def join(self, slug: str, name: str) -> Visitor:
        """Return a new visitor of a site, who has signed up and written the own name."""
        visitor = self.life.visitor(slug)
        answer = self.app.sign_up(visitor, name)
        self.app.write(visitor, name)
        assert name in self.app.read(visitor, name), answer.text[-2000:]
        return visitor

    def read_as(self, slug: str, name: str) -> str:
        """Return what somebody with an account of a site reads there; empty without an account."""
        visitor = self.life.visitor(slug)
        self.app.sign_in(visitor, name)
        return self.app.read(visitor, name) if self.app.knows(visitor, name) else ""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((FLASKR, "sqlite"), id="flaskr-sqlite"),
        pytest.param((IHATEMONEY, "sqlite"), id="ihatemoney-sqlite"),
        pytest.param((IHATEMONEY, "postgresql"), id="ihatemoney-postgresql", marks=ON_SERVER),
        pytest.param((SECURITY, "sqlite"), id="security-sqlite"),
        pytest.param((SECURITY, "postgresql"), id="security-postgresql", marks=ON_SERVER),
    ],
)
def of_app(request: pytest.FixtureRequest, folder: Path, published: Path) -> Iterator[AppLife]:
    """Return a running platform with the tenants acme and globex."""
    app, kind = request.param
    url = "sqlite" if kind == "sqlite" else request.getfixturevalue("server_for_sites")
    env = {**app.env, "TENANTRY_FACTORY": app.factory}
    with open_life(folder, env, code=published, databases={"main": url}) as life:
        yield AppLife(app, life)


def test_a_whole_life(of_app: AppLife) -> None:
    """Nothing of one tenant is at the other, and each operation brings all that a tenant has."""
    app, life, server = of_app.app, of_app.life, of_app.life.server
    ada, bob = of_app.join("acme", "adalove"), of_app.join("globex", "bobmore")
    assert "bobmore" not in app.read(ada, "adalove")
    assert "adalove" not in app.read(bob, "bobmore")
    # A session is worth nothing next door, though the app has one constant key for all.
    assert app.knows(ada, "adalove")
    assert not app.knows(life.visitor("globex", like=ada), "adalove")
    assert not app.knows(life.visitor("globex", like=ada), "bobmore")

    life.do("tenant", "clone", "acme", "copy")
    life.do("tenant", "export", "acme", "--output", "acme.tenant")
    life.do("tenant", "import", "acme.tenant", "--slug", "second")
    for slug in ("copy", "second"):
        assert "adalove" in of_app.read_as(slug, "adalove")
        assert of_app.read_as(slug, "bobmore") == ""

    life.do("backup", "make", "acme")
    of_app.join("acme", "latecomer")
    life.do("restore", "acme")
    assert "adalove" in of_app.read_as("acme", "adalove")
    assert of_app.read_as("acme", "latecomer") == ""

    life.do("tenant", "rename", "acme", "anvil")
    assert app.knows(life.visitor("anvil", like=ada), "adalove")
    life.do("tenant", "suspend", "globex")
    assert server.site("globex").status == 403
    life.do("tenant", "resume", "globex")
    assert "bobmore" in app.read(bob, "bobmore")

    tenant = server.catalog.tenants.get("anvil")
    life.do("tenant", "delete", "anvil", "--yes")
    assert server.site("anvil").status == 410
    life.do("tenant", "purge", "anvil", "--early", "--yes")
    assert not server.settings.tenant_dir(tenant.id).exists()
    assert "bobmore" in app.read(bob, "bobmore")


def test_below_a_path(of_app: AppLife) -> None:
    """The app knows nothing of the mount: its links stay below, and signing in works."""
    app, life = of_app.app, of_app.life
    life.server.end()
    env = {**life.env, "TENANTRY_ROUTING": "path", "TENANTRY_BACKEND_HOST": BACKEND}
    mount = "/sites/globex"
    with Server(life.server.data, env=env) as server:
        visitor = Visitor(server, "", host="localhost", mount=mount)
        app.sign_in(visitor, "bobmore")
        assert app.knows(visitor, "bobmore")
        page = app.read(visitor, "bobmore")
    assert "bobmore" in page
    for link in re.findall(r'(?:href|src|action)="(/[^/"][^"]*)', page):
        assert link.startswith((f"{mount}/", "/-/assets/")), link
