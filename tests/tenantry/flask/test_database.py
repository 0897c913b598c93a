"""The current tenant's engine behind one extension object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import insert, literal_column, select, text

from tenantry import Flyweight, TenantSQLAlchemy, init_tenant, tenant_database
from tenantry.databases.engines import ENGINES
from tenantry.errors import NoTenantError
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import psycopg

    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

    Maker = Callable[[Tenant, Settings], Flask]

# A prototype is searched for in the whole heap, which is small in the suite's first part.
pytestmark = pytest.mark.heap

db = TenantSQLAlchemy(add_models_to_shell=False)


class Word(db.Model):  # type: ignore[name-defined,misc]
    """The same table as SQL sees it, for the ORM."""

    __tablename__ = "words"
    word = db.Column(db.Text, primary_key=True)


def build() -> Flask:
    """Build an app that knows of no tenant."""
    app = Flask(__name__)
    db.init_app(app)
    return app


def full(tenant: Tenant, settings: Settings) -> Flask:
    """Build an app for this one tenant."""
    app = build()
    init_tenant(app, tenant, settings=settings)
    return app


def flyweight() -> Maker:
    """Return what makes instances of one app."""
    shared = Flyweight(build)
    return lambda tenant, settings: shared.instance(tenant, settings=settings)


@pytest.fixture(params=["full", "flyweight"])
def make_app(
    request: pytest.FixtureRequest, any_settings: Settings
) -> Iterator[Callable[[str], Flask]]:
    """Return a function that makes a tenant's app, with a table for words in its database."""
    apps: list[Flask] = []
    maker: Maker = full if request.param == "full" else flyweight()

    def make(slug: str) -> Flask:
        tenant = a_tenant(slug)
        tenant_database(tenant, any_settings).create()
        app = maker(tenant, any_settings)
        with app.app_context():
            db.session.execute(text("CREATE TABLE words (word TEXT)"))
            db.session.commit()
        apps.append(app)
        return app

    yield make
    for app in apps:
        db.close(app)


def say(word: str) -> None:
    db.session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})


def heard() -> list[str]:
    return list(db.session.scalars(text("SELECT word FROM words")))


def test_each_context_has_its_tenants_engine(make_app: Callable[[str], Flask]) -> None:
    """Law 9: also where one tenant's context stands inside another's."""
    acme, bolt = make_app("acme"), make_app("bolt")
    with acme.app_context():
        say("acme's")
        with bolt.app_context():
            assert heard() == []
            say("bolt's")
            db.session.commit()
        assert heard() == ["acme's"]
        db.session.commit()
    with bolt.app_context():
        assert heard() == ["bolt's"]


def test_nothing_is_opened_without_a_tenant() -> None:
    """Law 1: no tenant in reach means an error."""
    with pytest.raises(NoTenantError):
        _ = db.engines
    with Flask(__name__).app_context(), pytest.raises(NoTenantError):
        _ = db.engines


def test_a_request_keeps_its_engine(make_app: Callable[[str], Flask]) -> None:
    """An older instance of the tenant may be disposed of while a newer one is in a transaction.

    Its session must not go on with another connection: that would not see what it has written, and
    wait for its own lock.
    """
    app = make_app("acme")
    with app.app_context():
        say("before")
        engine = db.engine
        db.close(app)
        say("after")
        assert heard() == ["before", "after"]
        db.session.commit()
        assert db.engine is engine
    with app.app_context():
        assert db.engine is not engine  # made anew
        assert heard() == ["before", "after"]


def test_orm_core_and_text_are_confined(make_app: Callable[[str], Flask]) -> None:
    """Law 9: however a query is written, it sees its own tenant's rows, and so do its writes."""
    apps = {slug: make_app(slug) for slug in ("acme", "bolt")}
    for slug, app in apps.items():
        with app.app_context():
            db.session.add(Word(word=f"{slug} by model"))
            db.session.execute(insert(Word.__table__).values(word=f"{slug} by table"))
            say(f"{slug} by text")
            db.session.commit()
    for slug, app in apps.items():
        with app.app_context(), db.engine.connect() as connection:
            mine = sorted(f"{slug} by {way}" for way in ("model", "table", "text"))
            assert sorted(word.word for word in db.session.scalars(select(Word))) == mine
            assert sorted(connection.scalars(select(Word.__table__.c.word))) == mine
            assert sorted(heard()) == mine
            assert sorted(db.session.scalars(select(literal_column("word FROM words")))) == mine


@pytest.mark.parametrize("any_placement", ["sqlite"], indirect=True)
def test_closing_an_app_closes_its_file(make_app: Callable[[str], Flask]) -> None:
    """What ``dispose`` of a factory calls leaves no connection of the tenant open."""
    app = make_app("acme")
    before = ENGINES.connections
    with app.app_context():
        assert heard() == []
    db.close(app)

    assert ENGINES.connections == before - 1


@pytest.mark.postgresql
def test_a_server_that_goes_after_the_last_statement_spoils_no_answer(
    make_settings: Callable[..., Settings], server_url: str, superuser: psycopg.Connection[Any]
) -> None:
    """What a view has answered stands, its connection is replaced, and none gets lost."""
    settings = make_settings(databases={"local": {"url": server_url, "connections": 2}})
    tenant = a_tenant("acme")
    tenant_database(tenant, settings).create()
    app = full(tenant, settings)

    @app.get("/")
    def count() -> str:
        pid = db.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        return "answered"

    for _ in range(4):
        answer = app.test_client().get("/")
        assert (answer.status_code, answer.text) == (200, "answered")
    with app.app_context():
        assert not db.session.registry.has()
        assert db.session.execute(text("SELECT 1")).scalar_one() == 1
