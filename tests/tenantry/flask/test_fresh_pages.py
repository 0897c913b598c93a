"""No page is older than an acknowledged write, in any process, while many write and read."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import text

from tenantry import TenantSQLAlchemy, init_tenant, page_cache, tenant_database
from tenantry.settings import Settings
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings as Made

SECONDS = 3.0
OK = 200
"""On a very busy machine a database can be out of reach for a moment: such an answer says nothing."""
WRITERS, READERS = 2, 3
"""Threads of each of the two processes."""

db = TenantSQLAlchemy(add_models_to_shell=False)


def build(settings: Settings) -> Flask:
    """Build a site whose page says how often it was written to, and notes each rendering."""
    app = Flask(__name__)
    init_tenant(app, a_tenant(), settings=settings)
    db.init_app(app)
    app.config["RENDERED"] = []

    @app.get("/")
    @page_cache
    def front() -> str:
        number = db.session.execute(text("SELECT number FROM counter")).scalar_one()
        app.config["RENDERED"].append(number)
        return str(number)

    @app.post("/")
    def count() -> str:
        statement = text("UPDATE counter SET number = number + 1 RETURNING number")
        number = db.session.execute(statement).scalar_one()
        db.session.commit()
        return str(number)

    return app


def work(values: dict[str, Any], acknowledged: Any, sender: Any) -> None:
    """Write and read for a while; report how many pages were too old, were read, were rendered."""
    app = build(Settings(**values))
    until = time.monotonic() + SECONDS
    stale: list[str] = []
    read: list[int] = []

    def write(dice: random.Random) -> None:
        while time.monotonic() < until:
            answer = app.test_client().post("/")
            if answer.status_code == OK:
                with acknowledged.get_lock():
                    acknowledged.value = max(acknowledged.value, int(answer.text))
            time.sleep(dice.uniform(0, 0.1))

    def look(_dice: random.Random) -> None:
        while time.monotonic() < until:
            least = acknowledged.value
            answer = app.test_client().get("/")
            if answer.status_code != OK:
                continue
            shown = int(answer.text)
            read.append(shown)
            if shown < least:
                stale.append(f"{shown} after {least}")

    threads = [
        threading.Thread(target=what, args=(random.Random(number),))
        for what, count in ((write, WRITERS), (look, READERS))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.close(app)
    sender.send((stale, len(read), len(app.config["RENDERED"])))


@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def test_no_page_is_older_than_an_acknowledged_write(
    kind: str, make_settings: Callable[..., Made], request: pytest.FixtureRequest
) -> None:
    """Two processes write and read one site; most pages come from memory, and none is stale."""
    databases: Any = {"local": "sqlite"}
    if kind == "postgresql":
        url = request.getfixturevalue("server_url")
        databases = {"local": {"url": url, "connections": WRITERS + READERS + 2}}
    settings = make_settings(databases=databases)
    values = {
        **settings.model_dump(include={"domain", "base_url", "data_dir"}),
        "secret_keys": "k" * 40,
    }
    database = tenant_database(a_tenant(), settings)
    database.create()
    with database.serving_engine().begin() as connection:
        connection.execute(text("CREATE TABLE counter (number INTEGER)"))
        connection.execute(text("INSERT INTO counter VALUES (0)"))
    database.close()

    context = multiprocessing.get_context("spawn")
    acknowledged, pairs = context.Value("i", 0), [context.Pipe(duplex=False) for _ in range(2)]
    processes = [
        context.Process(
            target=work, args=({**values, "databases": databases}, acknowledged, sender)
        )
        for _, sender in pairs
    ]
    for process in processes:
        process.start()
    told = [receiver.recv() for receiver, _ in pairs]
    for process in processes:
        process.join(30)

    assert acknowledged.value > 10
    assert [stale for stale, _, _ in told] == [[], []]
    assert all(0 < rendered < read for _, read, rendered in told), told
