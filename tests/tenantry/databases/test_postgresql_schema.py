"""A schema and a role for each tenant, on one small pool for all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tenantry.databases.binding import Binding
from tenantry.databases.placements import tenant_database
from tenantry.databases.servers import SERVERS, Server, probe
from tenantry.errors import ConfinementError, DatabaseUnavailableError, PlacementError
from tenantry.resources.usage import SPENT
from tenantry.values.placement import read_placements
from tests.tenantry.support import FakeClock, a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from tenantry.databases.placements import TenantDatabase
    from tenantry.settings import Settings
    from tenantry.values.tenant import Tenant

pytestmark = pytest.mark.postgresql


@pytest.fixture
def settings(make_settings: Callable[..., Settings], server_url: str) -> Settings:
    """Return settings with one connection for all tenants."""
    plans = '{"slow": {"statement_seconds": 0.05}}'
    local = {"url": server_url, "connections": 1, "login": "shared"}
    return make_settings(databases={"local": local}, limit_plans=plans)


@pytest.fixture
def make(settings: Settings) -> Callable[..., TenantDatabase]:
    """Return a function that makes a tenant's database, with one note in it."""

    def make_one(slug: str = "acme", **values: Any) -> TenantDatabase:
        tenant: Tenant = a_tenant(slug, **values)
        database = tenant_database(tenant, settings)
        database.create()
        with database.open_engine().begin() as connection:
            connection.execute(text("CREATE TABLE notes (body TEXT)"))
            connection.execute(text("INSERT INTO notes VALUES (:slug)"), {"slug": slug})
        return database

    return make_one


def ask(database: TenantDatabase, question: str, **values: Any) -> Any:
    with database.open_engine().begin() as connection:
        return connection.scalar(text(question), values)


def test_a_pool_of_one_serves_all(make: Callable[..., TenantDatabase]) -> None:
    """One engine for the server: a tenant more costs no connection."""
    databases = [make(f"site-{number}") for number in range(20)]
    for _ in range(2):
        for number, database in enumerate(databases):
            assert ask(database, "SELECT body FROM notes") == f"site-{number}"

    assert SERVERS.connections == 1


def test_connections_are_bounded(make: Callable[..., TenantDatabase]) -> None:
    """Law 6: beyond the limit a request waits for a moment, and then fails."""
    database = make()
    with database.open_engine().begin(), pytest.raises(PoolTimeoutError):
        database.open_engine().connect()


def test_timeouts_follow_the_plan(make: Callable[..., TenantDatabase]) -> None:
    """A statement ends when its tenant's plan says so."""
    usual = make()
    assert ask(usual, "SHOW statement_timeout") == "20s"
    assert ask(usual, "SHOW lock_timeout") == "5s"
    slow = make("bolt", plan="slow")
    with pytest.raises(OperationalError, match="statement timeout"):
        ask(slow, "SELECT pg_sleep(5)")


def test_its_time_is_counted(make: Callable[..., TenantDatabase]) -> None:
    """What a tenant makes the server do is its own database time."""
    database = make()
    before, started = SPENT.database, time.perf_counter()
    ask(database, "SELECT pg_sleep(0.1)")
    charged, taken = SPENT.database - before, time.perf_counter() - started
    assert 0.1 <= charged <= taken


def test_a_plan_of_one_tenant_is_no_other_ones(make: Callable[..., TenantDatabase]) -> None:
    """The same words over tables of another shape: nothing is remembered on the connection."""
    acme, bolt = make("acme"), make("bolt")
    with bolt.open_engine().begin() as connection:
        connection.execute(text("ALTER TABLE notes ADD COLUMN number INTEGER DEFAULT 7"))
    for _ in range(8):  # the driver prepares what it has seen five times
        for database, row in ((acme, ("acme",)), (bolt, ("bolt", 7))):
            with database.open_engine().begin() as connection:
                query = text("SELECT * FROM notes WHERE body <> :no")
                assert tuple(connection.execute(query, {"no": "x"}).one()) == row


@pytest.mark.parametrize(
    "remains",
    [
        "SET SESSION statement_timeout = 1",
        "SET SESSION default_transaction_read_only = on",
        "SET SESSION search_path = pg_catalog",
        "CREATE TEMP TABLE notes AS SELECT 'planted' AS body; GRANT ALL ON pg_temp.notes TO PUBLIC",
        "PREPARE notes AS SELECT body FROM notes",
        "DECLARE notes CURSOR WITH HOLD FOR SELECT body FROM notes",
        "SELECT pg_advisory_lock(7)",
        "LISTEN notes",
        "CREATE SEQUENCE s; SELECT nextval('s')",
    ],
)
def test_a_session_is_left_clean(
    make: Callable[..., TenantDatabase], superuser: psycopg.Connection[Any], remains: str
) -> None:
    """R35: what one tenant leaves in the session, and commits, is gone for the next one."""
    acme, bolt = make("acme"), make("bolt")
    with acme.open_engine().begin() as connection:
        connection.exec_driver_sql(remains)
    with bolt.open_engine().begin() as connection:
        assert connection.scalar(text("SELECT body FROM notes")) == "bolt"
        connection.execute(text("INSERT INTO notes VALUES ('more')"))
        assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0
        assert connection.scalar(text("SELECT count(*) FROM pg_cursors")) == 0
        with (
            pytest.raises(DBAPIError, match="lastval is not yet defined"),
            connection.begin_nested(),
        ):
            connection.execute(text("SELECT lastval()"))
    assert ask(bolt, "SELECT count(*) FROM pg_listening_channels()") == 0
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert superuser.execute(locks).fetchone() == (0,)


def test_what_belongs_to_no_tenant_does_not_begin(make: Callable[..., TenantDatabase]) -> None:
    """The tripwire: the server's own engine, without a view, begins nothing."""
    database: Any = make()
    with pytest.raises(ConfinementError, match="without a tenant"):
        database.server._engine.connect().execute(text("SELECT 1"))
    two_phases = pytest.raises(ConfinementError, match="two-phase")
    with database.open_engine().connect() as connection, two_phases:
        connection.begin_twophase()


@pytest.mark.parametrize("level", ["AUTOCOMMIT", "autocommit", "READ UNCOMMITTED"])
def test_autocommit_is_refused(make: Callable[..., TenantDatabase], level: str) -> None:
    """R35: nothing of SET LOCAL would hold."""
    engine = make().open_engine()
    with pytest.raises(ConfinementError, match=level.upper()):
        engine.execution_options(isolation_level=level)
    with engine.connect() as connection, pytest.raises(ConfinementError):
        connection.execution_options(isolation_level=level)


def test_other_levels_are_kept(make: Callable[..., TenantDatabase]) -> None:
    """They go to the server with BEGIN, for that connection or view alone."""
    engine = make().open_engine()
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "serializable"
    strict = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with strict.connect() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"
        assert connection.scalar(text("SHOW transaction_read_only")) == "on"
        assert connection.scalar(text("SELECT body FROM notes")) == "acme"
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW transaction_isolation")) == "read committed"


def test_raw_connections_find_nothing(make: Callable[..., TenantDatabase]) -> None:
    """A forgotten binding fails: the login role has no search_path and may read no tenant."""
    database: Any = make()
    raw = database.open_engine().raw_connection()
    for statement, problem in {
        "SELECT body FROM notes": "does not exist",
        f"SELECT body FROM {database.name}.notes": "permission denied",  # noqa: S608
        "CREATE TABLE notes (body TEXT)": "no schema has been selected",
    }.items():
        with pytest.raises(Exception, match=problem):
            raw.cursor().execute(statement)
    raw.close()


def test_a_dead_connection_is_replaced(
    make: Callable[..., TenantDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """Nobody sees that a server was restarted while nobody asked."""
    database = make()
    superuser.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'tenantry'"
    )
    assert ask(database, "SELECT body FROM notes") == "acme"


def test_dropping_takes_all_with_it(
    make: Callable[..., TenantDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """Tables by the hundred, with odd names, parts, views, functions, types and large objects."""
    database: Any = make()
    bolt = make("bolt")
    with database.open_engine().begin() as connection:
        for number in range(120):
            connection.exec_driver_sql(f'CREATE TABLE "T %% ""{number}" (id SERIAL PRIMARY KEY)')
        connection.exec_driver_sql(
            "CREATE TABLE whole (n INT) PARTITION BY RANGE (n);"
            "CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (9);"
            "CREATE VIEW seen AS SELECT * FROM notes;"
            "CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen;"
            "CREATE TYPE mood AS ENUM ('calm');"
            "CREATE FUNCTION one() RETURNS INT LANGUAGE sql AS 'SELECT 1';"
            "SELECT lo_create(0) FROM generate_series(1, 1500)"
        )
    database.drop()

    assert not database.exists()
    left = (
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = %(name)s)"
        " + (SELECT count(*) FROM pg_largeobject_metadata)"
        " + (SELECT count(*) FROM pg_type WHERE typname = 'mood')"
    )
    assert superuser.execute(left, {"name": database.name}).fetchone() == (0,)
    assert ask(bolt, "SELECT body FROM notes") == "bolt"


def test_a_stranger_s_rights_are_told(
    make: Callable[..., TenantDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """Nobody but its role may enter a schema."""
    database: Any = make()
    superuser.execute(f"GRANT USAGE ON SCHEMA {database.name} TO PUBLIC")
    assert database.check() == f"schema {database.name} is open to PUBLIC"
    superuser.execute(f"ALTER SCHEMA {database.name} OWNER TO postgres")
    assert database.check() == f"schema {database.name} belongs to postgres"
    with pytest.raises(PlacementError, match=r"must be owner|permission"):
        database.drop()


@pytest.mark.parametrize("name", ["t_acme", "t_" + "A" * 32, "t_" + "a" * 32 + "\n", "", "x" * 76])
def test_no_other_name_becomes_a_schema(settings: Settings, name: str) -> None:
    """R38: PostgreSQL cuts long names, and two of them would be one schema."""
    from tenantry.databases.postgresql_schema import SchemaDatabase

    server = SERVERS.get(settings.get_placement("local"), settings)
    with pytest.raises(PlacementError, match="cannot name a schema"):
        SchemaDatabase(server, Binding(name))


def test_a_server_that_is_down_is_a_sentence(make_settings: Callable[..., Settings]) -> None:
    """Nobody waits: after a failure, nobody tries for a moment."""
    url = "postgresql+psycopg://tenantry:geheim@127.0.0.1:1/sites"
    settings = make_settings(databases={"eu": url})
    database = tenant_database(a_tenant(placement="eu"), settings)
    with pytest.raises(DatabaseUnavailableError, match=r"'eu' does not answer: .*refused") as down:
        database.create()
    assert "geheim" not in str(down.value)
    assert down.value.retry_after
    with pytest.raises(OperationalError, match="not tried again yet"):
        database.open_engine().connect()
    assert database.check() is not None
    SERVERS.clear()


def test_a_server_is_tried_again(server_url: str) -> None:
    """One request at a time finds out, and then all go on."""
    clock = FakeClock()
    [nowhere] = read_placements(
        {"eu": make_url(server_url).set(database="none").render_as_string(hide_password=False)}
    )
    server = Server(nowhere, connections=2, clock=clock)
    view = server.view(Binding())
    with pytest.raises(OperationalError, match="does not exist") as first:
        view.connect()
    with pytest.raises(OperationalError, match="not tried again yet"):
        view.connect()
    clock.advance(2)
    with pytest.raises(OperationalError, match="does not exist") as second:
        view.connect()
    server.close()

    for failure in (first, second):
        assert "not tried again" not in str(failure.value)


UNSAFE = [
    pytest.param("SUPERUSER", "NOSUPERUSER", "is a superuser", id="superuser"),
    pytest.param("BYPASSRLS", "NOBYPASSRLS", "is a superuser", id="bypass"),
    pytest.param("INHERIT", "NOINHERIT", "NOINHERIT`", id="inherits"),
    pytest.param("NOCREATEROLE", "CREATEROLE", "CREATEROLE`", id="cannot create roles"),
    pytest.param(
        "SET search_path = public", "SET search_path = ''", "SET search_path = ''`", id="path"
    ),
]


@pytest.mark.parametrize(("wrong", "right", "sentence"), UNSAFE)
def test_an_unsafe_role_is_refused(
    superuser: psycopg.Connection[Any], server_url: str, wrong: str, right: str, sentence: str
) -> None:
    """With the statement that mends it."""
    [placement] = read_placements({"eu": server_url})
    superuser.execute(f"ALTER ROLE tenantry {wrong}".encode())
    try:
        with pytest.raises(PlacementError, match=f"'eu' is not safe: .*{sentence}"):
            probe(placement)
    finally:
        superuser.execute(f"ALTER ROLE tenantry {right}".encode())
    probe(placement)


def test_an_unsafe_database_is_refused(superuser: psycopg.Connection[Any], server_url: str) -> None:
    """Everybody's schema, and a database that takes no schemas."""
    [placement] = read_placements({"eu": server_url})
    superuser.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    try:
        with pytest.raises(PlacementError, match="REVOKE CREATE ON SCHEMA public"):
            probe(placement)
    finally:
        superuser.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    superuser.execute("ALTER DATABASE sites OWNER TO postgres")
    try:
        with pytest.raises(PlacementError, match='GRANT CREATE ON DATABASE "sites" TO "tenantry"'):
            probe(placement)
    finally:
        superuser.execute("ALTER DATABASE sites OWNER TO tenantry")
    probe(placement)
