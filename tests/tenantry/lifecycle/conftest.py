"""What several tests of a tenant's life need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.databases.servers import SERVERS
from tests.postgres import added_database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def second_database(server_url: str) -> Iterator[str]:
    """Return the URL of another database for tenants on the same server."""
    with added_database(server_url, "elsewhere") as url:
        yield url
        SERVERS.clear()
