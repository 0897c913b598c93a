"""A request that an app keeps beyond its answer stays what it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.live.conftest import NewOddServer


def test_a_kept_request_is_never_the_next_visitors(new_odd_server: NewOddServer) -> None:
    """A thread of uWSGI uses one dict for all its requests, those of the next tenant included."""
    settings = {"TENANTRY_PROCESSES": "1", "TENANTRY_THREADS": "1"}
    with new_odd_server("acme", "globex", **settings) as server:
        assert server.site("acme", "/keep?of=acme").status == 200
        assert server.site("globex", "/site?of=globex").status == 200
        kept = json.loads(server.site("acme", "/keep").body)
        assert kept["QUERY_STRING"] == "of=acme"
        assert kept["HTTP_HOST"].startswith("acme.")
