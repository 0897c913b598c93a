"""What a site answers to a write while it is being moved, and where it looks afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, request
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tenantry import Flyweight, TenantSQLAlchemy, init_tenant
from tenantry.databases.placements import tenant_database
from tenantry.errors import SiteMovingError
from tenantry.relocation.transfer import CAPTURES
from tests.tenantry.support import Answer, a_tenant, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

    Maker = Callable[[Tenant, Settings], Flask]

# A prototype is searched for in the whole heap, which is small in the suite's first part.
pytestmark = pytest.mark.heap

db = TenantSQLAlchemy(add_models_to_shell=False)
ACME = a_tenant("acme")


def say() -> Any:
    """Take a word, as apps do: what is there already is the visitor's mistake."""
    try:
        db.session.execute(
            text("INSERT INTO words VALUES (:word)"), {"word": request.data.decode()}
        )
        db.session.commit()
    except IntegrityError:
        return "That is taken.", 422
    return "Said.", 201


def build(**handlers: Any) -> Flask:
    """Build an app that knows of no tenant."""
    app = Flask(__name__)
    db.init_app(app)
    app.post("/")(say)
    app.get("/")(lambda: ",".join(db.session.scalars(text("SELECT word FROM words"))))
    if "own" in handlers:
        app.register_error_handler(SiteMovingError, handlers["own"])
    return app


def full(tenant: Tenant, settings: Settings) -> Flask:
    """Build an app for this one tenant."""
    app = build()
    init_tenant(app, tenant, settings=settings)
    return app


SHARED = Flyweight(build)


def flyweight(tenant: Tenant, settings: Settings) -> Flask:
    """Make an instance of one app: that is built once, which takes seconds beside all other tests."""
    return SHARED.instance(tenant, settings=settings)


@pytest.fixture(params=[full, flyweight])
def app(request: pytest.FixtureRequest, any_settings: Settings) -> Iterator[Flask]:
    """Return acme's app; its database has a word in it."""
    make_words(ACME, any_settings, "old")
    made = request.param(ACME, any_settings)
    yield made
    db.close(made)


def make_words(tenant: Tenant, settings: Settings, word: str) -> None:
    """Make a tenant's database, with a table and a word in it."""
    database = tenant_database(tenant, settings)
    database.create()
    engine = database.open_engine()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE words (word TEXT PRIMARY KEY)"))
        connection.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})
    engine.dispose()


def close(tenant: Tenant, settings: Settings) -> None:
    """Close a tenant's database to writers, as the last step of a move does."""
    database = tenant_database(tenant, settings)
    engine = database.open_engine()
    with engine.begin() as connection:
        CAPTURES[database.kind]().refuse_writes(connection)
    engine.dispose()


def write(app: Flask, word: str) -> Answer:
    """Send a word."""
    return ask(app, method="POST", data=word)


def test_a_write_is_answered_503(app: Flask, any_settings: Settings) -> None:
    """Not as a mistake of the visitor's, and reading goes on."""
    assert write(app, "old").status == 422
    assert write(app, "new").status == 201
    close(ACME, any_settings)
    answer = write(app, "late")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "is being moved" in answer.text
    assert ask(app).text == "old,new"


def test_an_app_can_answer_in_its_own_way(any_settings: Settings) -> None:
    """What it has registered stands."""
    make_words(ACME, any_settings, "old")
    close(ACME, any_settings)
    app = build(own=lambda error: (f"Later, in {error.retry_after} s", 503))
    init_tenant(app, ACME, settings=any_settings)
    assert write(app, "late").text == "Later, in 1 s"
    db.close(app)


@pytest.mark.parametrize("make", [full, flyweight])
def test_the_request_knows_the_new_place(
    make_settings: Callable[..., Settings], tmp_path: Path, make: Maker
) -> None:
    """The older instance, which serves on until the new one is built, does not show the past."""
    settings = make_settings(databases={"local": "sqlite", "disk": f"sqlite:///{tmp_path}/disk"})
    moved = replace(ACME, placement="disk", revision=2)
    make_words(ACME, settings, "old")
    make_words(moved, settings, "new")
    app = make(ACME, settings)
    assert ask(app, environ={"tenantry.tenant": ACME}).text == "old"
    assert ask(app, environ={"tenantry.tenant": moved}).text == "new"
    assert ask(app, environ={"tenantry.tenant": a_tenant("bolt", placement="disk")}).text == "old"
    for tenant in (ACME, moved):
        db.close(make(tenant, settings))
