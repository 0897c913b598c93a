"""The background thread of a worker: follows the catalog's changes and runs periodic tasks.

It is started in the worker, never before a fork: a thread does not survive one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.resources.background_thread import BackgroundThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.catalog.directory import Directory
    from tenantry.catalog.node_lease import Lease


@dataclass(slots=True)
class PeriodicTask:
    """Something to be done every *seconds*, or a little later."""

    seconds: float
    run: Callable[[], object]
    due: float = 0.0


class Scheduler:
    """Follows the changes, and runs its periodic tasks, until it is told to stop.

    :param lease: The node's, in a fleet. While one worker hears of changes for all, the others only
        compare the node's counter.
    :param poll_seconds: Between two looks at the catalog's epoch, or at the counter.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        lease: Lease | None = None,
        tasks: Sequence[PeriodicTask] = (),
        poll_seconds: float = 0.5,
    ) -> None:
        self._directory = directory
        self._lease = lease
        self._tasks = tasks
        self._poll_seconds = poll_seconds
        self._thread = BackgroundThread("scheduler", self._run)
        self.start = self._thread.start
        self.stop = self._thread.stop

    def _run(self) -> None:
        for task in self._tasks:
            task.due = time.monotonic() + task.seconds
        stopping = self._thread.stopping
        while not stopping.wait(self._poll_seconds):
            self._safely(self._follow)
            for task in self._tasks:
                if time.monotonic() >= task.due:
                    self._safely(task.run)
                    task.due = time.monotonic() + task.seconds

    def _follow(self) -> None:
        # A directory that did not reach the catalog has to see for itself that it is back.
        if self._lease is not None and self._lease.has_listener and self._directory.is_reachable:
            self._directory.follow()
        else:
            self._directory.poll()

    def _safely(self, task: Callable[[], object]) -> None:
        """Run one task; its failure must not end the thread."""
        if not self._thread.run_safely(task):
            self._thread.stopping.wait(self._poll_seconds)
