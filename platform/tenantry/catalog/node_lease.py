"""A node's lease: what one of its workers writes after each heartbeat, and all its processes read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tenantry.catalog.signal import ChangeSignal
from tenantry.catalog.values import LEASE_SECONDS

if TYPE_CHECKING:
    from tenantry.settings import Settings


HEARD_SECONDS = 5.0
"""After so long without a heartbeat, each process of the node asks the catalog itself."""


class Lease:
    """How long the node may count as alive, and what its last heartbeat found in the catalog.

    The clock is the machine's monotonic one, and a lease begins before the catalog is told: here it
    ends earlier than others believe.
    """

    def __init__(self, settings: Settings) -> None:
        self._beat = ChangeSignal(settings.run_dir / "heartbeat")
        self._drained = ChangeSignal(settings.run_dir / "drained")
        self._owners = ChangeSignal(settings.run_dir / "owners")

    def renew(self, began: float, *, drained: bool, owners: int) -> None:
        """Note a heartbeat that began at this time of the monotonic clock."""
        self._drained.announce(int(drained))
        self._owners.announce(owners)
        self._beat.announce(int(began * 1000))

    @property
    def is_valid(self) -> bool:
        """Whether other nodes still wait for this one."""
        return 0 <= self._age < LEASE_SECONDS

    @property
    def has_listener(self) -> bool:
        """Whether one of the node's workers hears of changes and jobs for all its processes."""
        return 0 <= self._age < HEARD_SECONDS

    @property
    def _age(self) -> float:
        # Below zero: the heartbeat is from before the machine was started again.
        return time.monotonic() - self._beat.cell[0] / 1000

    @property
    def is_drained(self) -> bool:
        """Whether an operator wants no more visitors here."""
        return bool(self._drained.cell[0])

    @property
    def owners(self) -> int:
        """A number that is another one when placements have other owners."""
        return int(self._owners.cell[0])
