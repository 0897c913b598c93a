"""The heartbeat of a node: one worker's thread tells the catalog that it lives, and how far it is.

It also listens for all processes of the node. It moves the change counter, so that every worker sees at
its next request what other nodes have changed, and it wakes the job workers. A control command on any
node waits for the counter. The catalog has one such connection a node, however many workers there are.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING
from zlib import crc32

from tenantry.catalog.joining import find_node_id, refresh_owners
from tenantry.catalog.listener import CHANNEL, JOBS_CHANNEL, PostgresListener
from tenantry.files.locks import lock_file
from tenantry.resources.background_thread import BackgroundThread

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.catalog.node_lease import Lease
    from tenantry.settings import Settings

BEAT_SECONDS = 2.0
"""Between two heartbeats; news of a change makes the next one come at once."""
PAUSE_SECONDS = 0.5
"""Without heartbeat after one that failed, or that another worker makes."""


class Heartbeat:
    """The thread. Each worker has one, and one of them holds the lock and is the node's."""

    def __init__(self, catalog: Catalog, settings: Settings, lease: Lease) -> None:
        self._catalog = catalog
        self._settings = settings
        self._lease = lease
        self._owners = 0
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
                    self._thread.run_safely(self._follow_owners)
                    stopping.wait(BEAT_SECONDS)
            listener = PostgresListener(self._catalog.store.engine, CHANNEL, JOBS_CHANNEL)
            stack.callback(listener.close)
            while not stopping.is_set():
                if self._thread.run_safely(self._beat):
                    self._wait(listener)
                else:
                    stopping.wait(PAUSE_SECONDS)

    def _wait(self, listener: PostgresListener) -> None:
        """Return when the next heartbeat is due; wake the node's job workers meanwhile."""
        stopping, due = self._thread.stopping, time.monotonic() + BEAT_SECONDS
        while not stopping.is_set() and (seconds := due - time.monotonic()) > 0:
            news = listener.wait(seconds, stopping)
            if JOBS_CHANNEL in news:
                self._catalog.jobs.pipe.wake()
            if CHANNEL in news:
                return

    def _follow_owners(self) -> None:
        """Ask for the owners of placements if the worker that asks for all has found others."""
        found = self._lease.owners
        if found != self._owners:
            refresh_owners(self._catalog, self._settings)
            self._owners = found

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
        others = refresh_owners(self._catalog, self._settings)
        self._lease.renew(
            began, drained=drained, owners=crc32(repr(sorted(others.items())).encode())
        )
