"""Tenants behind a real PgBouncer in transaction mode: one server connection for everybody."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from tenantry.databases.binding import Binding
from tenantry.databases.postgresql_schema import SchemaDatabase
from tenantry.databases.servers import Server
from tenantry.values.placement import read_placements
from tests.tenantry.support import a_tenant, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

pytestmark = pytest.mark.postgresql

CONFIGURATION = """
[databases]
sites = host={host} dbname=sites user=tenantry

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
max_client_conn = 100
query_wait_timeout = 20
logfile =
"""


def need(program: str) -> str:
    """Return the program's path, or skip; CI has them all."""
    path = shutil.which(program, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if path is not None:
        return path
    sentence = f"{program} is not installed; `make system` installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{sentence}, and CI must not skip it")
    pytest.skip(sentence)


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def pooler(server_url: str) -> Iterator[str]:
    """Start a PgBouncer in front of the server; return the URL through it."""
    program = need("pgbouncer")
    folder = str(make_url(server_url).query["host"])
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # It refuses to run as root, and the server's socket is its owner's alone.
    owner = os.stat(folder).st_uid if os.geteuid() == 0 else None  # noqa: PTH116
    with tempfile.TemporaryDirectory(prefix="tenantry-pgbouncer-") as own:
        os.chmod(own, 0o755)  # noqa: S103, PTH101 - pytest's own folders are closed to others
        file, log = Path(own, "pgbouncer.ini"), Path(own, "log")
        file.write_text(CONFIGURATION.format(host=folder, port=port))
        with log.open("wb") as out:
            process = subprocess.Popen([program, "-q", file], stdout=out, stderr=out, user=owner)
        try:
            deadline = time.monotonic() + 10
            while not answers(port):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            url = make_url(server_url).set(host="127.0.0.1", port=port, query={})
            yield url.render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def make(pooler: str) -> Iterator[Callable[[str, int], SchemaDatabase]]:
    """Return a function that makes a tenant's database, as one of two processes sees it."""
    [placement] = read_placements(json.dumps({"eu": pooler}))
    servers = [Server(placement, connections=4) for _ in range(2)]

    def make_one(slug: str, process: int = 0) -> SchemaDatabase:
        database = SchemaDatabase(servers[process], Binding(f"t_{a_tenant(slug).id}"))
        if not database.exists():
            database.create()
            with database.open_engine().begin() as connection:
                connection.execute(text("CREATE TABLE notes (body TEXT)"))
                connection.execute(text("INSERT INTO notes VALUES (:slug)"), {"slug": slug})
        return database

    yield make_one
    for server in servers:
        server.close()


def read(database: SchemaDatabase) -> Any:
    with database.open_engine().connect() as connection:
        return connection.scalars(text("SELECT body FROM notes")).all()


def test_processes_share_a_server_connection(
    make: Callable[..., SchemaDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """R36: transactions of two processes and many tenants follow each other on one connection."""
    homes = [(f"site-{number}", make(f"site-{number}", number % 2)) for number in range(8)]

    def live(number: int) -> None:
        slug, database = homes[number]
        for _ in range(10):
            with database.open_engine().begin() as connection:
                connection.execute(text("INSERT INTO notes VALUES (:slug)"), {"slug": slug})
            assert set(read(database)) == {slug}

    assert at_once(8, live) == [None] * 8
    assert all(read(database) == [slug] * 11 for slug, database in homes)
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tenantry'"
    assert superuser.execute(query).fetchone() == (1,)


@pytest.mark.parametrize(
    "remains",
    [
        "SET SESSION search_path = {name}; SET SESSION ROLE {name}",
        "SET SESSION default_transaction_read_only = on",
        "CREATE TEMP TABLE notes AS SELECT 'planted' AS body; GRANT ALL ON pg_temp.notes TO PUBLIC",
        "PREPARE notes AS SELECT body FROM notes",
        "SELECT pg_advisory_lock(7)",
    ],
)
def test_what_one_process_leaves_is_gone_for_the_other(
    make: Callable[..., SchemaDatabase], remains: str
) -> None:
    """R35: the server's session is clean where the next transaction begins, whoever's it is."""
    acme, bolt = make("acme", 0), make("bolt", 1)
    with acme.open_engine().begin() as connection:
        connection.exec_driver_sql(remains.format(name=acme.name))
    with bolt.open_engine().begin() as connection:
        assert connection.scalars(text("SELECT body FROM notes")).all() == ["bolt"]
        connection.execute(text("INSERT INTO notes VALUES ('more')"))
    assert read(bolt) == ["bolt", "more"]
    assert read(acme) == ["acme"]


def test_the_same_words_over_other_tables(make: Callable[..., SchemaDatabase]) -> None:
    """Nothing is prepared: a pooler would not know the statement, or know a neighbour's."""
    acme, bolt = make("acme", 0), make("bolt", 0)
    with bolt.open_engine().begin() as connection:
        connection.execute(text("ALTER TABLE notes ADD COLUMN number INTEGER DEFAULT 7"))
    for _ in range(8):
        for database, row in ((acme, ("acme",)), (bolt, ("bolt", 7))):
            with database.open_engine().begin() as connection:
                query = text("SELECT * FROM notes WHERE body <> :no")
                assert tuple(connection.execute(query, {"no": "x"}).one()) == row


def test_killed_server_connections(
    make: Callable[..., SchemaDatabase], superuser: psycopg.Connection[Any]
) -> None:
    """A transaction that dies is told; the next ones are their tenants' own."""
    acme, bolt = make("acme", 0), make("bolt", 1)
    for _ in range(3):
        with acme.open_engine().connect() as connection:
            connection.execute(text("INSERT INTO notes VALUES ('half')"))
            superuser.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE usename = 'tenantry'"
            )
            with pytest.raises(DBAPIError):
                connection.execute(text("SELECT 1"))
        assert read(bolt) == ["bolt"]
        assert read(acme) == ["acme"]


def test_dropping_works_the_same(make: Callable[..., SchemaDatabase]) -> None:
    """A tenant's end, too, needs nothing but transactions."""
    acme, bolt = make("acme", 0), make("bolt", 1)
    assert acme.check() is None
    acme.drop()
    assert not acme.exists()
    assert read(bolt) == ["bolt"]
