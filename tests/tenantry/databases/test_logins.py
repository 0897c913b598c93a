"""Tenants that sign in to a server by themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from tenantry.databases.placements import tenant_database
from tenantry.databases.postgresql import SchemaDatabase
from tenantry.databases.servers import SERVERS
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
