"""A PostgreSQL server in trouble: its own tenants rest, all others are served, and it comes back."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tenantry.databases.placements import tenant_database
from tenantry.settings import load_settings
from tests.live.load import Load, together
from tests.live.member import Visitor
from tests.live.server import Server, make_data, until
from tests.postgres import OwnPostgres, own_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.live.wire import Answer

pytestmark = pytest.mark.postgresql
POST = "/posts/the-spring-that-would-not-tire"
NEIGHBOURS = ("globex", "initech")
"""One in a file, one on another PostgreSQL server."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[OwnPostgres]:
    """Return the server of the tenant acme."""
    with own_postgres() as made:
        yield made


@pytest.fixture(scope="module")
def server(folder: Path, postgres: OwnPostgres, server_for_sites: str) -> Iterator[Server]:
    """Return a platform with one tenant in a file and one on each of two PostgreSQL servers.

    The one in trouble has a login for all: half of its troubles are those of that login, which
    tenants with logins of their own do not notice.
    """
    shared = {"url": postgres.url, "login": "shared"}
    databases = {"local": "sqlite", "own": shared, "other": server_for_sites}
    data = folder / "three" / "var"
    make_data(data, databases=databases, homes={"acme": "own", "initech": "other"})
    with Server(data, env={"TENANTRY_DATABASES": json.dumps(databases)}) as running:
        yield running
        settings = load_settings(data_dir=data, databases=databases)
        tenant_database(running.catalog.tenants.get("initech"), settings).drop()


def is_resting(server: Server) -> bool:
    """Say whether acme answers that it will be back, and nothing that only operators should know."""
    answer = server.site("acme")
    assert answer.status in {200, 503}
    assert "Traceback" not in answer.text
    assert "psycopg" not in answer.text
    if answer.status == 200:
        return False
    assert answer.get("Retry-After")
    # Of many at once who wait for it, some are told that it has visitors enough.
    return "This site is not available right now" in answer.text


def check_outage(server: Server) -> None:
    """Make sure that acme rests, and nobody else."""
    until(lambda: is_resting(server), why="acme rests")
    for slug in NEIGHBOURS:
        check_served(server, slug)


def check_served(server: Server, slug: str) -> None:
    """Make sure that a site is served to several at once."""
    assert {answer.status for answer in together(lambda _: server.site(slug), 4)} == {200}


def check_recovery(server: Server) -> None:
    """Make sure that acme is served and written again, without a restart."""
    until(lambda: all(server.site("acme").status == 200 for _ in range(8)), why="acme is back")


@contextmanager
def told(postgres: OwnPostgres, broken: str, mended: str, database: str = "") -> Iterator[None]:
    """Break something for the block; whoever is connected has to come in anew."""
    postgres.tell(broken, database=database)
    postgres.hang_up()
    try:
        yield
    finally:
        postgres.tell(mended, database=database)


@contextmanager
def stopped(postgres: OwnPostgres) -> Iterator[None]:
    """Stop it for the block."""
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@contextmanager
def without_password(postgres: OwnPostgres) -> Iterator[None]:
    """Let the platform's password be wrong for the block."""
    with postgres.asking_for_passwords():
        postgres.hang_up()
        yield


TROUBLES = [
    pytest.param(stopped, id="stopped"),
    pytest.param(without_password, id="password"),
    pytest.param(
        lambda own: told(own, "ALTER ROLE tenantry NOLOGIN", "ALTER ROLE tenantry LOGIN"),
        id="no-login",
    ),
    pytest.param(
        lambda own: told(
            own,
            "ALTER ROLE tenantry CONNECTION LIMIT 0",
            "ALTER ROLE tenantry CONNECTION LIMIT -1",
        ),
        id="too-many-connections",
    ),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_only_its_own_tenants_rest(
    server: Server,
    postgres: OwnPostgres,
    trouble: Callable[[OwnPostgres], AbstractContextManager[None]],
) -> None:
    """They say 503 and when to come back; neighbours serve on; then all is as before."""
    with trouble(postgres):
        check_outage(server)
    check_recovery(server)


def test_a_server_that_comes_back_unsafe(server: Server, postgres: OwnPostgres) -> None:
    """After an outage it may be another one: it is looked at again before tenants' data is."""
    check_recovery(server)
    with told(postgres, "ALTER ROLE tenantry SUPERUSER", "ALTER ROLE tenantry NOSUPERUSER"):
        with stopped(postgres):
            check_outage(server)
        check_outage(server)
    check_recovery(server)


@pytest.mark.parametrize("thing", ["SCHEMA", "ROLE"])
def test_a_tenant_whose_place_is_gone(server: Server, postgres: OwnPostgres, thing: str) -> None:
    """Its schema or its role alone is gone: its site rests until it is there again."""
    name = f"t_{server.catalog.tenants.get('acme').id}"
    with told(
        postgres,
        f"ALTER {thing} {name} RENAME TO away",
        f"ALTER {thing} away RENAME TO {name}",
        database="sites",
    ):
        check_outage(server)
    check_recovery(server)


def test_a_server_that_never_answers_takes_no_threads(
    server: Server, postgres: OwnPostgres
) -> None:
    """However many ask for its tenant, neighbours have threads, and the tenant's page says 503."""
    check_recovery(server)
    with Load(lambda: server.site("acme"), threads=12) as load, postgres.frozen():
        done = load.count
        until(lambda: 503 in load.statuses, why="nobody waits for ever")
        check_outage(server)
        assert load.count > done
        load.end()
    assert load.statuses <= {200, 503}
    assert not load.failures
    check_recovery(server)


def comment(visitor: Visitor, token: str, text: str) -> Answer:
    """Write a comment."""
    return visitor.send(f"{POST}/comments", {"text": text, "csrf_token": token})


def check_read_only(server: Server, visitor: Visitor, token: str) -> None:
    """Make sure that acme is read, and that writing says that nothing was saved."""
    until(lambda: server.site("acme", POST).status == 200, why="it is read")

    def is_refused() -> bool:
        answer = comment(visitor, token, "no")
        return answer.status == 503 and "What you sent was not saved" in answer.text

    until(is_refused, why="it is not written")
    assert visitor.get("/").status == 200


def check_writable(visitor: Visitor, token: str, text: str) -> None:
    """Make sure that what is sent is saved again."""
    until(lambda: comment(visitor, token, text).status == 303, why="it is written")
    assert text in visitor.get(POST).text


def test_a_server_that_only_reads(server: Server, postgres: OwnPostgres) -> None:
    """What hosters do to a database whose disk fills up holds: reading goes on, writing is 503."""
    visitor = Visitor(server, "acme")
    visitor.join()
    token = visitor.token(POST)
    with told(
        postgres,
        "ALTER DATABASE sites SET default_transaction_read_only = on",
        "ALTER DATABASE sites RESET default_transaction_read_only",
    ):
        check_read_only(server, visitor, token)
    postgres.hang_up()
    check_writable(visitor, token, "written after the limit")


def test_a_standby_is_read_until_it_is_promoted(server: Server, postgres: OwnPostgres) -> None:
    """After a failover that is half done pages are there; then writing is, without a restart."""
    visitor = Visitor(server, "acme")
    visitor.join()
    token = visitor.token(POST)
    postgres.become_standby()
    check_read_only(server, visitor, token)
    postgres.be_promoted()
    check_writable(visitor, token, "written after the failover")
