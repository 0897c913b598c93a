"""Tenants that sign in to a server by themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tenantry.databases.placements import tenant_database
from tenantry.databases.postgresql_schema import SchemaDatabase
from tenantry.databases.servers import SERVERS
from tenantry.values.placement import read_placements
from tests.conftest import OTHER_KEY
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings

pytestmark = pytest.mark.postgresql

WHO = text("SELECT session_user")


@pytest.fixture
def make_own(
    make_settings: Callable[..., Settings], server_url: str
) -> Callable[..., SchemaDatabase]:
    """Return a function that gives a tenant its schema on a server, with or without its own login."""

    def make(slug: str, *, login: str = "own", connections: int = 3, **more: Any) -> SchemaDatabase:
        placement = {"url": server_url, "login": login, "connections": connections}
        settings = make_settings(databases={"local": placement}, **more)
        database = tenant_database(a_tenant(slug), settings)
        assert isinstance(database, SchemaDatabase)
        database.create()
        return database

    return make


def who(database: SchemaDatabase) -> Any:
    """Return which role the database's connections sign in with."""
    with database.open_engine().connect() as connection:
        return connection.scalar(WHO)


def test_each_tenant_signs_in_with_its_own_password(
    make_own: Callable[..., SchemaDatabase], server_url: str
) -> None:
    """The role is the tenant's, and the server asks for the password."""
    acme = make_own("acme")
    assert who(acme) == acme.name
    url = make_url(server_url).set(drivername="postgresql", username=acme.name)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url.render_as_string(hide_password=False), password="guessed")


def test_it_is_the_default(server_url: str) -> None:
    """A placement that says nothing of it has tenants sign in by themselves."""
    [placement] = read_placements({"eu": server_url})
    assert placement.login == "own"


def test_a_server_that_is_down_is_left_alone(make_settings: Callable[..., Settings]) -> None:
    """After a failure nobody tries for a moment, whoever would sign in; and opening asks nobody."""
    url = "postgresql+psycopg://tenantry:geheim@127.0.0.1:1/sites"
    settings = make_settings(databases={"eu": url})
    acme, bolt = (
        tenant_database(a_tenant(slug, placement="eu"), settings).open_engine()
        for slug in ("acme", "bolt")
    )
    with pytest.raises(OperationalError, match="refused") as first:
        acme.connect()
    assert "not tried again" not in str(first.value)
    for engine in (acme, bolt):
        with pytest.raises(OperationalError, match="not tried again yet"):
            engine.connect()


def test_a_neighbours_advisory_lock_keeps_nobody_waiting(
    make_own: Callable[..., SchemaDatabase],
) -> None:
    """Making, migrating and dropping a tenant takes no lock that another tenant can take as well."""
    plans = '{"free": {"lock_seconds": 0.2}}'
    acme, bolt = (make_own(slug, limit_plans=plans) for slug in ("acme", "bolt"))
    locking = text(
        "SELECT pg_advisory_lock(hashtextextended(:name, 0)), pg_advisory_lock(hashtext(:name))"
    )
    with bolt.open_engine().connect() as neighbour:
        neighbour.execute(locking, {"name": acme.name})
        with acme.open_engine().connect() as connection, acme.migrating(connection, 0.2):
            connection.exec_driver_sql("CREATE TABLE notes (body TEXT)")
        acme.create()
        acme.drop()
        assert acme.create_with(["CREATE TABLE notes (body TEXT)"])


@pytest.mark.parametrize("login", ["own", "shared"])
def test_what_people_wrote_is_in_no_error(
    make_own: Callable[..., SchemaDatabase], login: str
) -> None:
    """What is logged of a failure has the statement without its values."""
    engine = make_own("acme", login=login).open_engine()
    with engine.connect() as connection, pytest.raises(DBAPIError) as failed:
        connection.execute(text("INSERT INTO nowhere VALUES (:it)"), {"it": "geheim"})
    assert "geheim" not in str(failed.value)


def test_a_placement_may_take_to_it_later(make_own: Callable[..., SchemaDatabase]) -> None:
    """A tenant from before gets its password when it is first needed; and the way back is open."""
    shared = make_own("acme", login="shared")
    assert who(shared) == "tenantry"
    assert who(make_own("acme")) == shared.name
    assert who(make_own("acme", login="shared")) == "tenantry"


def test_a_new_secret_key_brings_a_new_password(make_own: Callable[..., SchemaDatabase]) -> None:
    """Passwords follow from the newest key; each role gets the new one when it next signs in."""
    assert who(make_own("acme"))
    SERVERS.clear()
    again = make_own("acme", secret_keys=OTHER_KEY)
    assert who(again) == again.name


def test_a_role_that_is_gone_is_not_made_anew(
    make_own: Callable[..., SchemaDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """Where there is no role, signing in fails and changes nothing."""
    acme = make_own("acme")
    superuser.execute(f"DROP OWNED BY {acme.name} CASCADE; DROP ROLE {acme.name}".encode())
    with pytest.raises(OperationalError):
        who(acme)
    assert superuser.execute("SELECT to_regrole(%s)", [acme.name]).fetchone() == (None,)


def test_idle_connections_of_others_make_room(make_own: Callable[..., SchemaDatabase]) -> None:
    """However many tenants come by, a process keeps no more connections than it may."""
    tenants = [make_own(f"site-{number}") for number in range(8)]
    for database in tenants * 2:
        assert who(database) == database.name
    logins = tenants[0].server.logins
    assert logins is not None
    assert logins.connections == 3
    assert tenants[0].server.connections <= 3 + 3


def test_a_tenant_that_leaves_takes_its_connection_with_it(
    make_own: Callable[..., SchemaDatabase],
) -> None:
    """An instance that is disposed of leaves nothing on the server."""
    acme, bolt = make_own("acme"), make_own("bolt")
    assert who(acme) != who(bolt)
    acme.server.close_tenant(acme.name)
    assert acme.server.logins is not None
    assert acme.server.logins.connections == 1


def test_a_forked_process_opens_connections_of_its_own(
    make_own: Callable[..., SchemaDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """Two processes never speak over one socket, and the end of one ends nothing of the other."""
    acme = make_own("acme")
    assert who(acme)
    child = os.fork()
    if child == 0:
        os._exit(0 if not SERVERS.connections else 1)
    assert os.waitpid(child, 0)[1] == 0
    before = superuser.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [acme.name])
    pids = before.fetchall()
    assert who(acme) == acme.name
    after = superuser.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [acme.name])
    assert after.fetchall() == pids
    assert len(pids) == 1


def test_the_password_is_nowhere_in_the_server_s_statements(
    make_own: Callable[..., SchemaDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """The server keeps, and may log, a verifier only."""
    acme = make_own("acme")
    found = superuser.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [acme.name])
    row = found.fetchone()
    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$")
