"""A node's lease, as its processes read it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tenantry.catalog.node_lease import Lease

if TYPE_CHECKING:
    from tenantry.settings import Settings


@pytest.mark.parametrize(
    ("seconds", "is_valid", "has_listener"),
    [
        pytest.param(-1, True, True, id="a moment ago"),
        pytest.param(-7, True, False, id="too long ago to hear for others"),
        pytest.param(-20, False, False, id="over"),
        pytest.param(3600, False, False, id="before the machine was started again"),
    ],
)
def test_a_lease_is_as_good_as_its_last_heartbeat(
    settings: Settings, seconds: int, *, is_valid: bool, has_listener: bool
) -> None:
    """The monotonic clock begins anew with the machine, and the file of the heartbeat stays."""
    lease = Lease(settings)
    lease.renew(time.monotonic() + seconds, drained=False, owners=0)
    assert (lease.is_valid, lease.has_listener) == (is_valid, has_listener)
