"""Published apps run as tenants, unchanged: two tenants each, through a whole life."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenantry.databases.servers import SERVERS
from tests.live.history.commands import Commands
from tests.live.member import Visitor
from tests.live.published.apps import FLASKR, IHATEMONEY, SECURITY, PublishedApp
from tests.live.published.fetching import fetch
from tests.live.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
BACKEND = "console.localhost"
ON_SERVER = pytest.mark.postgresql


@pytest.fixture(scope="session")
def published() -> Path:
    """Return the folder of the published apps."""
    return fetch()


class Life:
    """A platform of one published app, with its visitors and its operator."""

    def __init__(
        self, app: PublishedApp, env: dict[str, str], server: Server, commands: Commands
    ) -> None:
        self.app, self.env, self.server, self._commands = app, env, server, commands

    def do(self, *arguments: str) -> str:
        """Run a command, which must succeed."""
        code, said = self._commands.say(*arguments)
        assert code == 0, said
        return said

    def visitor(self, slug: str, *, like: Visitor | None = None) -> Visitor:
        """Return somebody with an empty browser, or with the cookies of another visitor."""
        visitor = Visitor(self.server, slug)
        visitor.cookies = dict(like.cookies) if like else {}
        return visitor

    def join(self, slug: str, name: str) -> Visitor:
        """Return a new visitor of a site, who has signed up and written the own name."""
        visitor = self.visitor(slug)
        answer = self.app.sign_up(visitor, name)
        self.app.write(visitor, name)
        assert name in self.app.read(visitor, name), answer.text[-2000:]
        return visitor

    def read_as(self, slug: str, name: str) -> str:
        """Return what somebody with an account of a site reads there; empty without an account."""
        visitor = self.visitor(slug)
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
def life(request: pytest.FixtureRequest, folder: Path, published: Path) -> Iterator[Life]:
    """Return a running platform with the tenants acme and globex."""
    app, kind = request.param
    url = "sqlite" if kind == "sqlite" else request.getfixturevalue("server_for_sites")
    base = Path(tempfile.mkdtemp(dir=folder))
    env = {
        **app.env,
        "PYTHONPATH": str(published),
        "TENANTRY_FACTORY": app.factory,
        "TENANTRY_DATABASES": json.dumps({"main": url}),
        "TENANTRY_SECRET_KEYS": "0123456789abcdef" * 4,
    }
    server = Server(base / "var", env=env)
    commanding = {**server.environment, "TENANTRY_PORT": "8000"}
    with Commands(commanding, folder=base, notes=base / "said") as commands:
        made = Life(app, env, server, commands)
        made.do("init", "--no-link")
        for slug in ("acme", "globex"):
            made.do("tenant", "create", slug)
        with server:
            yield made
    SERVERS.clear()


def test_a_whole_life(life: Life) -> None:
    """Nothing of one tenant is at the other, and each operation brings all that a tenant has."""
    app, server = life.app, life.server
    ada, bob = life.join("acme", "adalove"), life.join("globex", "bobmore")
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
        assert "adalove" in life.read_as(slug, "adalove")
        assert life.read_as(slug, "bobmore") == ""

    life.do("backup", "make", "acme")
    life.join("acme", "latecomer")
    life.do("restore", "acme")
    assert "adalove" in life.read_as("acme", "adalove")
    assert life.read_as("acme", "latecomer") == ""

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


def test_below_a_path(life: Life) -> None:
    """The app knows nothing of the mount: its links stay below, and signing in works."""
    life.server.end()
    env = {**life.env, "TENANTRY_ROUTING": "path", "TENANTRY_BACKEND_HOST": BACKEND}
    mount = "/sites/globex"
    with Server(life.server.data, env=env) as server:
        visitor = Visitor(server, "", host="localhost", mount=mount)
        life.app.sign_in(visitor, "bobmore")
        assert life.app.knows(visitor, "bobmore")
        page = life.app.read(visitor, "bobmore")
    assert "bobmore" in page
    for link in re.findall(r'(?:href|src|action)="(/[^/"][^"]*)', page):
        assert link.startswith((f"{mount}/", "/-/assets/")), link
