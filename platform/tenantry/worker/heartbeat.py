"""The heartbeat of a node: one worker's thread tells the catalog that it lives, and how far it is.

It also moves the node's change counter, so that every worker sees at its next request what other nodes
have changed. A control command on any node waits for that.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tenantry.catalog import ChangeSignal
from tenantry.catalog.joining import find_node_id, refresh_owners
from tenantry.catalog.listener import open_listener
from tenantry.catalog.values import LEASE_SECONDS
from tenantry.files.locks import lock_file
from tenantry.resources.background_thread import BackgroundThread

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.settings import Settings

BEAT_SECONDS = 2.0
"""Between two heartbeats; news of a change makes the next one come at once."""
PAUSE_SECONDS = 0.5
"""Without heartbeat after one that failed, or that another worker makes."""


class Lease:
    """How long the node may count as alive: what all its workers can read, and one of them writes.

    The clock is the machine's monotonic one, and a lease begins before the catalog is told: here it
    ends earlier than others believe.
    """

    def __init__(self, settings: Settings) -> None:
        self._beat = ChangeSignal(settings.run_dir / "heartbeat")
        self._drained = ChangeSignal(settings.run_dir / "drained")

    def renew(self, began: float, *, drained: bool) -> None:
        """Note a heartbeat that began at this time of the monotonic clock."""
        self._drained.announce(int(drained))
        self._beat.announce(int(began * 1000))

    @property
    def is_valid(self) -> bool:
        """Whether other nodes still wait for this one."""
        return time.monotonic() * 1000 - self._beat.cell[0] < LEASE_SECONDS * 1000

    @property
    def is_drained(self) -> bool:
        """Whether an operator wants no more visitors here."""
        return bool(self._drained.cell[0])


class Heartbeat:
    """The thread. Each worker has one, and one of them holds the lock and is the node's."""

    def __init__(self, catalog: Catalog, settings: Settings, lease: Lease) -> None:
        self._catalog = catalog
        self._settings = settings
        self._lease = lease
        self._thread = BackgroundThread("heartbeat", self._run)
        self.start = self._thread.start
        self.stop = self._thread.stop

    def _run(self) -> None:
        stopping = self._thread.stopping
        with ExitStack() as stack:
            while not stopping.is_set():
                try:
                    stack.enter_context(
                        lock_file(self._settings.run_dir / "heartbeat.lock", wait=0)
                    )
                    break
                except BlockingIOError:  # another worker's; if that ends, this one goes on
                    self._thread.run_safely(self._refresh)
                    stopping.wait(BEAT_SECONDS)
            listener = open_listener(self._catalog.store.engine)
            stack.callback(listener.close)
            while not stopping.is_set():
                if self._thread.run_safely(self._beat):
                    listener.wait(BEAT_SECONDS, stopping)
                else:
                    stopping.wait(PAUSE_SECONDS)

    def _refresh(self) -> None:
        refresh_owners(self._catalog, self._settings)

    def _beat(self) -> None:
        began = time.monotonic()
        signal, changes = self._catalog.store.signal, self._catalog.changes
        epoch = changes.read_epoch()
        # A writer of this node may have announced a newer number meanwhile, and we the older one over
        # it. So the number is read again until it stays.
        while epoch > signal.cell[0]:
            signal.announce(epoch)
            epoch = changes.read_epoch()
        drained = self._catalog.nodes.beat(find_node_id(self._settings), epoch)
        self._lease.renew(began, drained=drained)
        self._refresh()
