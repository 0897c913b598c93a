"""No connection to PostgreSQL crosses a fork: two processes on one would read each other's rows."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tenantry.databases.placements import tenant_database
from tenantry.databases.servers import SERVERS
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from tenantry.settings import Settings

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
BACKEND = text("SELECT pg_backend_pid()")


def backend(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.scalar(BACKEND) or 0)


def test_a_child_begins_without_connections(
    make_settings: Callable[..., Settings], server_url: str
) -> None:
    """Law 13: the child connects anew, and when it ends, nothing of its parent's is closed."""
    local = {"url": server_url, "connections": 2, "login": "shared"}
    settings = make_settings(databases={"local": local})
    database = tenant_database(a_tenant(), settings)
    database.create()
    before = backend(database.open_engine())
    held = database.open_engine().connect()  # one in use, one idle
    assert SERVERS.connections
    child = os.fork()
    if child == 0:
        try:
            fresh = tenant_database(a_tenant(), settings)
            begins_empty = SERVERS.connections == 0
            own = backend(fresh.open_engine())
            gc.collect()
            os._exit(0 if begins_empty and own != before and SERVERS.connections == 1 else 3)
        finally:
            sys.stderr.flush()
            os._exit(1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert held.scalar(BACKEND) == before
    held.close()
    assert backend(database.open_engine()) == before
