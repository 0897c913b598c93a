"""What several tests of a tenant's life need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url

from tenantry.databases.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def second_database(server_url: str) -> Iterator[str]:
    """Return the URL of another database for tenants on the same server."""
    url = make_url(server_url)
    plain = url.set(drivername="postgresql", username="postgres")
    shown = plain.render_as_string(hide_password=False)
    with psycopg.connect(shown, autocommit=True) as connection:
        connection.execute("CREATE DATABASE elsewhere OWNER tenantry")
        yield url.set(database="elsewhere").render_as_string(hide_password=False)
        SERVERS.clear()
        connection.execute("DROP DATABASE elsewhere WITH (FORCE)")
