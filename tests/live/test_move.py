"""A site goes to another placement beside a running server, while people read and write."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tenantry.databases.placements import tenant_database
from tenantry.settings import load_settings
from tests.live.load import Load, wake_all
from tests.live.member import Visitor
from tests.live.server import say, until

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings
    from tests.live.conftest import NewServer
    from tests.live.server import Server
    from tests.live.wire import Answer

POST = "/posts/the-spring-that-would-not-tire"
SEVERAL = 5
"""Answers of each writer between two steps."""


class Writer:
    """A member who writes one comment after the other, and keeps what became of each."""

    def __init__(self, server: Server, name: str) -> None:
        self._visitor = Visitor(server, "acme")
        self._visitor.email = f"{name}@example.org"
        self._visitor.join()
        self._token = self._visitor.token(POST)
        self._texts = (f"{name} {number}" for number in itertools.count())
        self.answers: dict[str, Answer] = {}

    def write(self) -> Answer:
        """Write one more."""
        words = next(self._texts)
        form = {"text": words, "csrf_token": self._token}
        self.answers[words] = answer = self._visitor.send(f"{POST}/comments", form)
        return answer


def bodies(server: Server, settings: Settings, placement: str) -> set[str]:
    """Return the comments of acme on a placement."""
    tenant = replace(server.catalog.tenants.get("acme"), placement=placement)
    engine = tenant_database(tenant, settings).open_engine()
    with engine.connect() as connection:
        found = set(connection.execute(text("SELECT body FROM comment")).scalars())
    engine.dispose()
    return found


@pytest.mark.postgresql
@pytest.mark.timeout(300)
def test_nothing_is_lost_and_reading_goes_on(
    new_server: NewServer, server_url: str, tmp_path: Path
) -> None:
    """From a file to a server and on to another file: what was acknowledged is there, and no more."""
    places = {
        "local": "sqlite",
        "main": server_url,
        "disk": f"sqlite:///{tmp_path}/disk",
    }
    # Threads enough, so that nobody is refused for anything else.
    env = {"TENANTRY_DATABASES": json.dumps(places), "TENANTRY_THREADS": "10"}
    with new_server(env=env) as server:
        move(server, load_settings(data_dir=server.data, databases=places))


def move(server: Server, settings: Settings) -> None:
    """Move acme twice under load."""
    wake_all(lambda: server.site("acme"))
    writers = [Writer(server, name) for name in ("ada", "bob", "eve")]
    loads = [Load(writer.write, threads=1) for writer in writers]
    readers = Load(lambda: server.site("acme", POST), threads=2)
    neighbours = Load(lambda: server.site("globex"), threads=1)

    def wait_for_some_more() -> None:
        wanted = [load.count + SEVERAL for load in loads]
        until(lambda: all(load.count >= n for load, n in zip(loads, wanted, strict=True)))

    everyone = [*loads, readers, neighbours]
    for load in everyone:
        load.__enter__()
    try:
        for before, to in (("local", "main"), ("main", "disk")):
            wait_for_some_more()
            assert f"acme lives on {to} now" in say(server, "tenant", "move", "acme", "--to", to)
            wait_for_some_more()
            old = bodies(server, settings, before)
            say(server, "tenant", "move", "acme", "--drop")
            assert old < bodies(server, settings, to)
    finally:
        for load in everyone:
            load.stop()
    for load in (readers, neighbours):
        assert load.statuses == {200}
    for load in everyone:
        assert not load.failures
    answers = {words: answer for writer in writers for words, answer in writer.answers.items()}
    refused = [answer for answer in answers.values() if answer.status != 303]
    for answer in refused:
        assert answer.status == 503, answer.text
        assert answer.get("Retry-After")
    kept = bodies(server, settings, "disk")
    acknowledged = {words for words, answer in answers.items() if answer.status == 303}
    assert acknowledged - kept == set()
    assert (kept & set(answers)) - acknowledged == set()
