"""Never a row of a neighbour: tenants side by side, on each kind of placement (R35 to R39)."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from tenantry.databases.placements import tenant_database
from tenantry.values.tenant import Tenant
from tests.tenantry.support import a_tenant, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg
    from sqlalchemy import Engine

    from tenantry.databases.placements import TenantDatabase
    from tenantry.settings import Settings

NOTES = Table("notes", MetaData(), Column("body", String))


@dataclass(frozen=True)
class Home:
    """A tenant with one note, which is its slug."""

    tenant: Tenant
    database: TenantDatabase

    @property
    def engine(self) -> Engine:
        """The engine, as a request gets it."""
        return self.database.open_engine()

    @property
    def name(self) -> str:
        """Of its schema and folder."""
        return f"t_{self.tenant.id}"

    def read(self) -> set[str]:
        """Return all notes, asked for in every way that there is."""
        engine = self.engine
        with engine.connect() as connection:
            found = [
                set(connection.scalars(text("SELECT body FROM notes"))),
                set(connection.scalars(select(NOTES.c.body))),
                set(connection.exec_driver_sql("SELECT body FROM notes").scalars()),
            ]
        with Session(engine) as session:
            found.append(set(session.scalars(select(NOTES.c.body))))
        engine.dispose()
        assert found.count(found[0]) == len(found)
        return found[0]

    def write(self, body: str) -> None:
        """Add a note."""
        engine = self.engine
        with engine.begin() as connection:
            connection.execute(insert(NOTES).values(body=body))
        engine.dispose()


SERVERS_ONLY = [
    pytest.param(login, marks=pytest.mark.postgresql, id=f"postgresql-{login}")
    for login in ("shared", "own")
]


@pytest.fixture(params=["sqlite", *SERVERS_ONLY])
def any_placement(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the placement ``local``: on a server with one connection for all, or one of each."""
    if request.param == "sqlite":
        return {"local": "sqlite"}
    url = request.getfixturevalue("server_url")
    return {"local": {"url": url, "connections": 1, "login": request.param}}


server_only = pytest.mark.parametrize("any_placement", SERVERS_ONLY, indirect=True)


@pytest.fixture
def settle(any_settings: Settings) -> Callable[[Tenant], Home]:
    """Return a function that gives a tenant its database and its note."""

    def make(tenant: Tenant) -> Home:
        home = Home(tenant, tenant_database(tenant, any_settings))
        home.database.create()
        engine = home.engine
        with engine.begin() as connection:
            NOTES.create(connection)
            connection.execute(insert(NOTES).values(body=tenant.slug))
        engine.dispose()
        return home

    return make


@pytest.fixture
def acme(settle: Callable[[Tenant], Home]) -> Home:
    return settle(a_tenant("acme"))


@pytest.fixture
def bolt(settle: Callable[[Tenant], Home]) -> Home:
    return settle(a_tenant("bolt"))


def test_tenants_in_turn(settle: Callable[[Tenant], Home]) -> None:
    """R36: on one connection, in any order, with commits and rollbacks in between."""
    homes = [settle(a_tenant(f"site-{number}")) for number in range(6)]
    expected = {home.name: {home.tenant.slug} for home in homes}
    chance = random.Random(7)
    for step in range(60):
        home = chance.choice(homes)
        assert home.read() == expected[home.name]
        engine = home.engine
        with engine.connect() as connection:
            connection.execute(insert(NOTES).values(body=f"{home.name} {step}"))
            if chance.random() < 0.5:
                connection.commit()
                expected[home.name].add(f"{home.name} {step}")
        engine.dispose()
    for home in homes:
        assert home.read() == expected[home.name]


def test_tenants_at_once(settle: Callable[[Tenant], Home]) -> None:
    """R36: threads that wait for the same connection never get each other's transaction."""
    homes = [settle(a_tenant(f"site-{number}")) for number in range(8)]

    def live(number: int) -> None:
        home = homes[number]
        for step in range(6):
            home.write(f"{home.tenant.slug} {step}")
            assert {body.partition(" ")[0] for body in home.read()} == {home.tenant.slug}

    assert at_once(8, live) == [None] * 8
    assert all(len(home.read()) == 7 for home in homes)


@pytest.mark.parametrize(
    "mistake",
    [
        "SELECT nothing FROM notes",
        "SELECT * FROM elsewhere",
        "this is no SQL",
        "INSERT INTO notes VALUES ('a', 'b', 'c')",
        "SELECT CAST('x' AS INTEGER) / 0 FROM elsewhere",
    ],
)
def test_an_error_in_a_transaction_is_its_own(acme: Home, bolt: Home, mistake: str) -> None:
    """R36: what came before it is gone, and the next tenant on the connection notices nothing."""
    engine = acme.engine
    for _ in range(3):
        with engine.connect() as connection:
            connection.execute(insert(NOTES).values(body="half"))
            with pytest.raises(DBAPIError):
                connection.execute(text(mistake))
        assert bolt.read() == {"bolt"}
    engine.dispose()
    assert acme.read() == {"acme"}


def test_an_exception_between_statements(acme: Home, bolt: Home) -> None:
    """R36: a request that dies leaves its transaction to nobody."""
    engine = acme.engine

    def die() -> None:
        with engine.begin() as connection:
            connection.execute(insert(NOTES).values(body="half"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    engine.dispose()
    assert bolt.read() == {"bolt"}
    assert acme.read() == {"acme"}


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize(
    "injected",
    [
        "SELECT body FROM {other}.notes",
        "INSERT INTO {other}.notes VALUES ('planted')",
        "DROP TABLE {other}.notes",
        "ATTACH DATABASE '{file}' AS other",
        "SET SESSION search_path = {other}",
        "SET SESSION ROLE NONE",
        "CREATE TABLE notes (body TEXT)",
        "CREATE TEMPORARY TABLE notes AS SELECT 'planted' AS body",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
    ],
)
def test_injected_sql_stays_at_home(
    acme: Home, bolt: Home, injected: str, *, commits: bool
) -> None:
    """R37, R39: whatever one tenant's SQL says, it shows no row of the other, nor leaves it one."""
    file = getattr(bolt.database, "path", "/tmp/none")  # noqa: S108 - no server knows of files
    statement = injected.format(other=bolt.name, file=file)
    engine = acme.engine
    with suppress(SQLAlchemyError), engine.connect() as connection:
        with suppress(SQLAlchemyError):
            result = connection.exec_driver_sql(statement)
            rows = result.all() if result.returns_rows else []
            assert rows == []
        with suppress(SQLAlchemyError):
            assert "bolt" not in connection.scalars(text("SELECT body FROM notes")).all()
        if commits:
            connection.commit()
    engine.dispose()
    assert bolt.read() == {"bolt"}
    engine = acme.engine
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT body FROM notes")).all() == ["acme"]
    engine.dispose()


def test_long_names_meet_nowhere(settle: Callable[[Tenant], Home]) -> None:
    """R38: databases are named by ids of one length; slugs of 76 characters change nothing."""
    long = "a" * 75
    first, second = (
        settle(Tenant(id=f"{31 * 'a'}{end}", slug=f"{long}{end}", name=long)) for end in "bc"
    )
    assert first.read() == {f"{long}b"}
    assert second.read() == {f"{long}c"}


@server_only
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT body FROM {other}.notes",
        "SELECT * FROM {other}.notes FOR UPDATE",
        "INSERT INTO {other}.notes VALUES ('x')",
        "LOCK TABLE {other}.notes",
        "TRUNCATE {other}.notes",
        "DROP SCHEMA {other} CASCADE",
        "CREATE TABLE {other}.mine (n INT)",
        "CREATE TABLE public.mine (n INT)",
        "CREATE VIEW mine AS SELECT * FROM {other}.notes",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        "ALTER ROLE tenantry SUPERUSER",
        "GRANT {other} TO {own}",
        "SET SESSION AUTHORIZATION {other}",
        "COPY {other}.notes TO STDOUT",
        "COPY notes FROM PROGRAM 'id'",
        "COPY notes FROM '/etc/passwd'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
        "SELECT lo_get({large})",
        "CREATE FUNCTION f() RETURNS INT LANGUAGE c AS 'libc', 'getpid'",
    ],
)
def test_the_server_refuses_what_is_next_door(acme: Home, bolt: Home, statement: str) -> None:
    """Law 9: it is the tenant's role that asks, and the server that says no."""
    with bolt.engine.begin() as connection:
        large = connection.scalar(text("SELECT lo_from_bytea(0, 'bolt')"))
    asked = statement.format(other=bolt.name, own=acme.name, large=large)
    with acme.engine.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.exec_driver_sql(asked)
    assert any(
        word in str(refused.value).lower() for word in ("permission denied", "must be", "only role")
    )
    assert bolt.read() == {"bolt"}


@pytest.mark.parametrize("any_placement", SERVERS_ONLY[:1], indirect=True)
def test_who_leaves_the_role_is_nobody(acme: Home, bolt: Home) -> None:
    """R37: RESET ROLE leads to the login role, which may read no tenant, not even the own one.

    ``SET ROLE`` with a neighbour's id leads next door: docs/data.md says so. What is bound is what
    the platform and honest code do, not SQL that is injected as a statement of its own.
    """
    for leave in ("RESET ROLE", "SET LOCAL ROLE NONE", "COMMIT"):
        for home in (acme, bolt):
            with acme.engine.connect() as connection:
                connection.exec_driver_sql(leave)
                with pytest.raises(DBAPIError, match=r"permission denied|does not exist"):
                    connection.exec_driver_sql(f"SELECT body FROM {home.name}.notes")  # noqa: S608
    with acme.engine.connect() as connection:
        connection.exec_driver_sql(f"SET LOCAL ROLE {bolt.name}")
        query = f"SELECT body FROM {bolt.name}.notes"  # noqa: S608
        assert connection.exec_driver_sql(query).scalar() == "bolt"
    assert acme.read() == {"acme"}


@pytest.mark.parametrize("any_placement", SERVERS_ONLY[1:], indirect=True)
@pytest.mark.parametrize("leave", ["RESET ROLE", "SET LOCAL ROLE NONE", "COMMIT", "RESET ALL"])
def test_who_signs_in_alone_can_become_nobody_else(acme: Home, bolt: Home, leave: str) -> None:
    """Whatever is injected, the session has no role but the tenant's own."""
    others = (f"ROLE {bolt.name}", "ROLE tenantry", f"SESSION AUTHORIZATION {bolt.name}")
    for other in others:
        with acme.engine.connect() as connection:
            connection.exec_driver_sql(leave)
            with pytest.raises(DBAPIError, match="permission denied"):
                connection.exec_driver_sql(f"SET {other}")
    with acme.engine.connect() as connection:
        connection.exec_driver_sql(leave)
        with pytest.raises(DBAPIError, match="permission denied"):
            connection.exec_driver_sql(f"SELECT body FROM {bolt.name}.notes")  # noqa: S608
    assert (acme.read(), bolt.read()) == ({"acme"}, {"bolt"})


_BECOME = (
    "SELECT set_config('role', '{other}', true), "
    "query_to_xml('SELECT body FROM {other}.notes', true, false, '')::text"
)
"""One SELECT that becomes somebody else and then runs another one, as an injected column can."""


@pytest.fixture
def closed_settings(superuser: psycopg.Connection[Any]) -> Iterator[None]:
    """Let nobody but the platform's role change settings by a function, as docs/data.md says."""
    function = "FUNCTION pg_catalog.set_config(text, text, boolean)"
    superuser.execute(f"REVOKE EXECUTE ON {function} FROM PUBLIC".encode())
    superuser.execute(f"GRANT EXECUTE ON {function} TO tenantry".encode())
    yield
    superuser.execute(f"REVOKE EXECUTE ON {function} FROM tenantry".encode())
    superuser.execute(f"GRANT EXECUTE ON {function} TO PUBLIC".encode())


@pytest.mark.parametrize("any_placement", SERVERS_ONLY[1:], indirect=True)
def test_one_select_cannot_leave_its_role(acme: Home, bolt: Home) -> None:
    """Signed in by itself, a tenant reads no neighbour with what is injected into a SELECT."""
    with acme.engine.connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.exec_driver_sql(_BECOME.format(other=bolt.name))


@pytest.mark.usefixtures("closed_settings")
@pytest.mark.parametrize("any_placement", SERVERS_ONLY[:1], indirect=True)
def test_a_login_for_all_can_be_closed_to_selects(acme: Home, bolt: Home) -> None:
    """With what docs/data.md says, a SELECT stays in its role on a login that tenants share, too.

    What a session was left with changes nothing of that for the next tenant.
    """
    with acme.engine.begin() as connection:
        connection.exec_driver_sql(f"SET SESSION ROLE {acme.name}")
    with acme.engine.connect() as connection, pytest.raises(DBAPIError, match="set_config"):
        connection.exec_driver_sql(_BECOME.format(other=bolt.name))
    assert (acme.read(), bolt.read()) == ({"acme"}, {"bolt"})


@server_only
def test_nobody_sees_what_a_neighbour_asks(acme: Home, bolt: Home) -> None:
    """The list of running queries has no text of anybody else's."""
    with acme.engine.connect() as connection:
        query = text("SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        seen = set(connection.scalars(query))
    assert seen <= {"<insufficient privilege>", "", None}


@server_only
@pytest.mark.parametrize("moment", ["begun", "written", "idle"])
def test_killed_connections(
    acme: Home, bolt: Home, superuser: psycopg.Connection[Any], moment: str
) -> None:
    """R36: whenever the server drops the connection, the next transaction is its tenant's own."""

    def kill() -> None:
        superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE usename = 'tenantry' OR usename LIKE 't\\_%'"
        )

    def work() -> None:
        with acme.engine.begin() as connection:
            if moment == "written":
                connection.execute(insert(NOTES).values(body="half"))
            kill()
            connection.execute(insert(NOTES).values(body="half"))

    for _ in range(3):
        if moment == "idle":
            kill()
        else:
            with pytest.raises(OperationalError):
                work()
        assert bolt.read() == {"bolt"}
        assert acme.read() == {"acme"}
