"""Engines that an app makes by itself from the URL of its tenant's database."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from tenantry.databases import app_files
from tenantry.databases.placements import tenant_database
from tenantry.databases.servers import SERVERS
from tenantry.databases.sqlite_connections import confine
from tenantry.errors import ConfinementError, LinkedPlaceError
from tests.conftest import KEY, OTHER_KEY
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenantry.databases.placements import TenantDatabase
    from tenantry.settings import Settings

ACME, GLOBEX = a_tenant("acme"), a_tenant("globex")


@pytest.fixture
def app_engine() -> Iterator[Callable[[str], Engine]]:
    """Return what an app does with its URL."""
    made: list[Engine] = []

    def make(url: str) -> Engine:
        made.append(create_engine(url))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def file(settings: Settings) -> TenantDatabase:
    """Return a tenant's file."""
    assert app_files
    database = tenant_database(ACME, settings)
    database.create()
    return database


def test_an_own_engine_on_a_file_is_confined(
    file: TenantDatabase, app_engine: Callable[[str], Engine]
) -> None:
    """The URL is a plain one, since apps take it apart; no other file can be attached."""
    assert file.app_url == f"sqlite:///{file.file}"
    engine = app_engine(file.app_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY)"))
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
    with engine.connect() as connection, pytest.raises(DBAPIError, match="not authorized"):
        connection.execute(text("ATTACH '/tmp/other.sqlite3' AS other"))


def test_it_follows_a_restored_file(
    file: TenantDatabase, app_engine: Callable[[str], Engine]
) -> None:
    """A pooled connection would go on writing into the file that was replaced."""
    assert file.file is not None
    engine = app_engine(file.app_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE old (id INTEGER)"))
    file.drop()
    file.create()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM sqlite_master")).all() == []


def test_a_link_leads_nowhere(file: TenantDatabase, app_engine: Callable[[str], Engine]) -> None:
    """Law 9: a user who can put a link there could make a site show another site's data."""
    assert file.file is not None
    target = file.file.with_name("other.sqlite3")
    file.file.rename(target)
    file.file.symlink_to(target)
    with pytest.raises(LinkedPlaceError):
        app_engine(file.app_url).connect()


@pytest.mark.parametrize("spelling", ["plain", "uri"])
def test_an_engine_may_be_confined_after_its_first_connection(
    file: TenantDatabase, app_engine: Callable[[str], Engine], spelling: str
) -> None:
    """Its pooled connection is confined when it is next used."""
    url = file.app_url if spelling == "plain" else f"sqlite:///file:{file.file}?mode=rw&uri=true"
    engine = app_engine(url)
    with engine.connect():
        pass
    confine(engine)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="not authorized"):
        connection.execute(text("ATTACH '/tmp/other.sqlite3' AS other"))


def test_pragmas_that_apps_set_are_passed_over(
    file: TenantDatabase, app_engine: Callable[[str], Engine]
) -> None:
    """An app listens on every engine to tune SQLite; its pages work, and the file stays safe."""

    def tune(connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=DELETE",
            "synchronous=OFF",
            "foreign_keys=ON",
            "cache_size=-9",
        ):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(Engine, "connect", tune)
    try:
        for engine in (file.serving_engine(), app_engine(file.app_url)):
            with engine.connect() as connection:
                assert connection.scalar(text("PRAGMA synchronous")) == 2
                assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
        file.close()
    finally:
        event.remove(Engine, "connect", tune)


@pytest.fixture
def on_server(make_settings: Callable[..., Settings], server_url: str) -> Callable[..., Settings]:
    """Return what makes settings with a server for tenants."""

    def make(login: str = "own", **more: Any) -> Settings:
        return make_settings(databases={"local": {"url": server_url, "login": login}}, **more)

    return make


@pytest.mark.postgresql
def test_an_own_engine_on_a_server_is_the_tenants(
    on_server: Callable[..., Settings], app_engine: Callable[[str], Engine]
) -> None:
    """It signs in as the tenant's role, finds the tenant's schema, and cannot leave it."""
    databases = [tenant_database(tenant, on_server()) for tenant in (ACME, GLOBEX)]
    for database in databases:
        database.create()
        with app_engine(database.app_url).begin() as connection:
            connection.execute(text("CREATE TABLE note (body TEXT)"))
            connection.execute(text("INSERT INTO note VALUES (current_schema)"))
    acme, globex = (f"t_{tenant.id}" for tenant in (ACME, GLOBEX))
    engine = app_engine(databases[0].app_url)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT body FROM note")).all() == [acme]
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.execute(text(f"TABLE {globex}.note"))
    with engine.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text(f"SET ROLE {globex}"))

    parser = configparser.ConfigParser()  # as Alembic's: a percent sign would be its own
    parser.read_dict({"alembic": {"sqlalchemy.url": databases[0].app_url}})
    assert parser["alembic"]["sqlalchemy.url"] == databases[0].app_url


@pytest.mark.postgresql
def test_an_own_engine_signs_in_after_the_keys_changed(
    on_server: Callable[..., Settings], app_engine: Callable[[str], Engine]
) -> None:
    """The role has the older key's password until it is first needed."""
    tenant_database(ACME, on_server()).create()
    SERVERS.clear()
    rotated = on_server(secret_keys=f"{OTHER_KEY},{KEY}")
    with app_engine(tenant_database(ACME, rotated).app_url).connect() as connection:
        assert connection.scalar(text("SELECT current_user")) == f"t_{ACME.id}"


@pytest.mark.postgresql
def test_without_own_logins_the_remedy_is_told(
    on_server: Callable[..., Settings], app_engine: Callable[[str], Engine]
) -> None:
    """On a shared login nothing would confine it, so the sentence says what to set."""
    url = tenant_database(ACME, on_server("shared")).app_url
    with pytest.raises(ConfinementError, match="set the placement's `login` to `own`"):
        app_engine(url).connect()
