"""The site that every tenant gets, served by uWSGI from a PostgreSQL server."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url

from tenantry.databases.servers import SPARE
from tests.live.load import Load, wake_all
from tests.live.member import Visitor
from tests.live.server import Server, make_data, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

pytestmark = pytest.mark.postgresql
POST = "/posts/the-spring-that-would-not-tire"
THREADS = 4
MOST = 2 * (THREADS + SPARE)
"""Connections of two workers together."""


@pytest.fixture
def server(folder: Path, server_url: str, superuser: psycopg.Connection[Any]) -> Iterator[Server]:
    """Return a platform whose three tenants live on one PostgreSQL server, with one login."""
    databases = {"main": {"url": server_url, "login": "shared"}}
    data = Path(tempfile.mkdtemp(dir=folder)) / "var"
    make_data(data, databases=databases)
    hang_up(superuser)  # what this process has made them with
    env = {"TENANTRY_DATABASES": json.dumps(databases), "TENANTRY_THREADS": str(THREADS)}
    with Server(data, env=env) as running:
        yield running
    hang_up(superuser)  # a killed worker's backends may not have noticed yet


def hang_up(superuser: psycopg.Connection[Any]) -> None:
    """End every connection of the platform."""
    superuser.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'tenantry'"
    )


def backends(superuser: psycopg.Connection[Any]) -> set[int]:
    """Return the server's processes that work for the platform."""
    found = superuser.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'tenantry'")
    return {pid for (pid,) in found}


def test_a_site_from_the_first_visit_to_the_last(
    server: Server, server_url: str, superuser: psycopg.Connection[Any]
) -> None:
    """Members join, sign in and write; reloads and killed workers lose nothing, nor keep it open."""
    assert make_url(server_url).database == "sites"
    visitor = Visitor(server, "acme")
    visitor.join()
    token = visitor.token(POST)

    def write(words: str) -> None:
        sent = visitor.send(f"{POST}/comments", {"text": words, "csrf_token": token})
        assert sent.status == 303, sent.text
        assert words in visitor.get(POST).text

    write("before everything")
    for slug in ("globex", "initech"):
        assert "before everything" not in server.site(slug, POST).text
        assert server.site(slug).status == 200
    table = f"t_{server.catalog.tenants.get('acme').id}.comment"
    assert "before everything" in str(superuser.execute(f"TABLE {table}".encode()).fetchall())

    # A reload under load: sessions, pages and the form that was open go on.
    before, old = server.workers(), backends(superuser)
    with Load(lambda: visitor.get(POST), threads=2) as load:
        (server.data / "run" / "reload").touch()
        until(lambda: len(server.workers()) == 2 and not before & server.workers())
    assert load.statuses == {200}
    assert not load.failures
    write("after a reload")
    until(lambda: not old & backends(superuser), why="the last workers' connections end with them")

    # A worker is killed: what it had open is closed by the system, and the other one serves on.
    wake_all(lambda: server.site("acme"))
    victim = min(server.workers())
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(server.workers()) == 2 and victim not in server.workers())
    write("after a kill")
    assert visitor.get("/members/me").status == 200


def test_connections_follow_threads_and_not_tenants(
    server: Server, superuser: psycopg.Connection[Any]
) -> None:
    """Law 6: however many ask for however many tenants, a worker has as many as its threads and two."""
    slugs = ("acme", "globex", "initech")
    with (
        Load(lambda: server.site(slugs[0]), threads=4) as first,
        Load(lambda: server.site(slugs[1]), threads=4) as second,
        Load(lambda: server.site(slugs[2]), threads=4) as third,
    ):
        most = 0
        for _ in range(50):
            most = max(most, len(backends(superuser)))
        until(lambda: min(one.count for one in (first, second, third)) > 10)
        most = max(most, len(backends(superuser)))
    assert 0 < most <= MOST
    # Where all threads are busy, one site's visitors may be told so; a mistake it never is.
    assert first.statuses | second.statuses | third.statuses <= {200, 503}
    hang_up(superuser)
    for slug in slugs:
        assert server.site(slug).status == 200, "connections that were cut are made anew, unseen"
