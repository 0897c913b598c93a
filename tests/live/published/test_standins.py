"""An app that names one database, one folder and one sender for all, served for two tenants."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tenantry.databases.placements import tenant_database
from tenantry.settings import load_settings
from tests.live.load import Load
from tests.live.published.life import KEYS, SLUGS, Life, open_life
from tests.live.server import until
from tests.mail_server import MailServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.live.member import Visitor
    from tests.live.wire import Answer

CODE = Path(__file__).with_name("standins")
EDGE = "frontier"
SHAPES = {
    "create_app()": {"FACTORY": "gallery"},
    "create_app(test_config=None)": {"FACTORY": "gallery.shapes:with_test_config"},
    "create_app(config_name)": {"FACTORY": "gallery.shapes:by_name('production')"},
    "create_app(config_class)": {
        "FACTORY": "gallery.shapes:by_class",
        "FACTORY_ARGS": '["gallery.Config"]',
    },
    "create_app(config, instance_path)": {
        "FACTORY": "gallery.shapes:with_folder",
        "FACTORY_ARGS": '[{"TITLE": "Gallery"}, "/srv/gallery/instance"]',
    },
    "create_app(tenant)": {"FACTORY": "gallery.shapes:for_tenant"},
}
"""The settings of each shape, without their prefix."""


@pytest.fixture
def letters() -> Iterator[MailServer]:
    """Return a mail server."""
    server = MailServer()
    server.start()
    yield server
    server.stop()


@contextmanager
def gallery(
    folder: Path,
    letters: MailServer,
    shape: Mapping[str, str],
    *,
    databases: Mapping[str, str] | None = None,
    **more: str,
) -> Iterator[Life]:
    """Serve the gallery in the block."""
    env = {f"TENANTRY_{name}": value for name, value in {**shape, **more}.items()}
    env["GALLERY_MAIL_PORT"] = str(letters.port)
    with open_life(folder, env, code=CODE, databases=databases or {"main": "sqlite"}) as life:
        yield life


def join(visitor: Visitor, name: str) -> Answer:
    """Become a member."""
    return visitor.send("/join", {"name": name})


def upload(life: Life, slug: str, name: str, content: str) -> Answer:
    """Send a picture, as a form with a file does."""
    lines = [
        f"--{EDGE}",
        f'Content-Disposition: form-data; name="picture"; filename="{name}"',
        "Content-Type: image/png",
        "",
        content,
        f"--{EDGE}--",
        "",
    ]
    headers = {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
    body = "\r\n".join(lines).encode()
    return life.server.site(slug, "/pictures", method="POST", headers=headers, body=body)


def check_isolated(life: Life, letters: MailServer) -> None:
    """Let both tenants' visitors do all that the app offers; nothing of one is at the other."""
    people = dict(zip(SLUGS, ("ada", "bob"), strict=True))
    for slug, name in people.items():
        visitor = life.visitor(slug)
        assert join(visitor, name).text == "joined"
        assert visitor.get("/me").text == name
        assert visitor.get("/").text == f"joined: {name}"
        for other in SLUGS:
            expected = 200 if other == slug else 401
            assert life.visitor(other, like=visitor).get("/me").status == expected
        assert upload(life, slug, "me.png", f"a picture of {name}").text == "kept"
        assert upload(life, slug, f"{name}.png", name).text == "kept"
        assert visitor.send("/invite", {"to": f"friend-of-{name}@x.test"}).text == "sent"
    for slug, name in people.items():
        visitor = life.visitor(slug)
        assert json.loads(visitor.get("/members").body) == [name]
        assert visitor.get("/").text == f"joined: {name}"  # from the cache by now
        assert visitor.get("/pictures/me.png").text == f"a picture of {name}"
        for other in SLUGS:
            expected = 200 if other == slug else 404
            assert life.server.site(other, f"/pictures/{name}.png").status == expected
    senders = {to[0]: str(message["From"]) for _, to, message in letters.taken}
    assert senders == {
        "friend-of-ada@x.test": "acme <gallery@example.org>",
        "friend-of-bob@x.test": "globex <gallery@example.org>",
    }
    for slug in SLUGS:
        tenant = life.server.catalog.tenants.get(slug)
        made = {path.name for path in life.server.settings.tenant_dir(tenant.id).iterdir()}
        assert {"uploads", "cache"} <= made
    assert not Path("/srv/gallery").exists()


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_of_factory(folder: Path, letters: MailServer, shape: str) -> None:
    """Sessions, rows, uploads, cached pages and mail are a tenant's, without a line in the app."""
    with gallery(folder, letters, SHAPES[shape]) as life:
        check_isolated(life, letters)


def test_as_flyweights(folder: Path, letters: MailServer) -> None:
    """One app for all in each worker: apart, and still so after a restart, a kill and a suspension."""
    shape = SHAPES["create_app()"]
    with gallery(folder, letters, shape, INSTANCES="flyweight") as life:
        server = life.server
        check_isolated(life, letters)
        ada = life.visitor("acme")
        assert join(ada, "a second ada").text == "joined"

        server.end()
        server.start()
        check_members(life, ada)
        before = server.workers()
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(server.workers() - before) == 1, why="a new worker")
        check_members(life, ada)

        life.do("tenant", "suspend", "acme", "--reason", "Unpaid")
        assert [server.site(slug, "/members").status for slug in SLUGS] == [403, 200]
        life.do("tenant", "resume", "acme")
        check_members(life, ada)
        assert "flyweight" in life.do("status")


def check_members(life: Life, ada: Visitor) -> None:
    """Check that both tenants have their own, whichever worker answers."""
    for _ in range(8):
        assert json.loads(ada.get("/members").body) == ["ada", "a second ada"]
        assert ada.get("/me").text == "a second ada"
        assert json.loads(life.server.site("globex", "/members").body) == ["bob"]


@pytest.mark.postgresql
@pytest.mark.parametrize("instances", ["full", "flyweight"])
def test_a_move_to_a_server(
    folder: Path, letters: MailServer, server_url: str, instances: str
) -> None:
    """The app's own Flask-SQLAlchemy follows the tenant to PostgreSQL while people join."""
    databases = {"local": "sqlite", "main": server_url}
    shape = SHAPES["create_app()"]
    with gallery(folder, letters, shape, databases=databases, INSTANCES=instances) as life:
        answers: dict[str, Answer] = {}
        names = (f"member {number}" for number in count())
        with Load(partial(join_next, life, names, answers), threads=1) as load:
            until(lambda: load.count >= 5)
            said = life.do("tenant", "move", "acme", "--to", "main")
            moved = load.count
            until(lambda: load.count >= moved + 5)
        assert "acme lives on main now" in said
        assert not load.failures
        acknowledged = [name for name, answer in answers.items() if answer.status == 200]
        for answer in answers.values():
            assert answer.status == 200 or answer.get("Retry-After"), answer.text
        assert json.loads(life.server.site("acme", "/members").body) == acknowledged
        assert json.loads(life.server.site("globex", "/members").body) == []
        settings = load_settings(data_dir=life.server.data, databases=databases, secret_keys=KEYS)
        database: Any = tenant_database(life.server.catalog.tenants.get("acme"), settings)
        engine = database.open_engine()
        with engine.connect() as connection:
            assert connection.dialect.name == "postgresql"
            kept = list(connection.execute(text("SELECT name FROM member ORDER BY id")).scalars())
        engine.dispose()
        assert kept == acknowledged


def join_next(life: Life, names: Iterator[str], answers: dict[str, Answer]) -> Answer:
    """Let one more person join acme."""
    name = next(names)
    answers[name] = answer = join(life.visitor("acme"), name)
    return answer
