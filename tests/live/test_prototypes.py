"""A prototype that is made while a worker serves costs its neighbours no request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.live.load import Load
from tests.live.server import Server, make_data

if TYPE_CHECKING:
    from pathlib import Path

FIRST = tuple(f"first-{number}" for number in range(6))
THREADS = 8


def test_no_request_is_lost_while_a_prototype_is_made(tmp_path: Path) -> None:
    """No search holds the tuple in which uWSGI hands over a request: it is dropped if one does."""
    make_data(tmp_path / "var", ("busy", *FIRST), provisioned=False)
    env = {
        "TENANTRY_FACTORY": "shared:create_app",
        "TENANTRY_PROCESSES": "1",
        "TENANTRY_THREADS": str(2 * THREADS + 1),
        "TENANTRY_LIMIT_IN_FLIGHT": str(2 * THREADS),
        "TENANTRY_POOL_BUILD_SECONDS": "60",  # on a busy machine a prototype takes its time
    }
    with Server(tmp_path / "var", env=env) as server:
        assert server.site("busy").status == 200
        with Load(lambda: server.site("busy"), threads=THREADS) as load:
            for slug in FIRST:
                assert server.site(slug).body == b"shared"
        assert load.failures == []
        assert load.statuses == {200}
        assert "unable to set" not in server.log()
