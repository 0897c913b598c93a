"""The background thread of a worker: polls for changes and runs periodic tasks.

It is started in the worker, never before a fork: a thread does not survive one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.catalog.listener import open_listener
from tenantry.resources.background_thread import BackgroundThread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.catalog import Catalog
    from tenantry.catalog.directory import Directory


@dataclass(slots=True)
class PeriodicTask:
    """Something to be done every *seconds*, or a little later."""

    seconds: float
    run: Callable[[], object]
    due: float = 0.0


class Scheduler:
    """Polls, and runs its periodic tasks, until it is told to stop.

    :param poll_seconds: Between two looks at the catalog's epoch. Where the database can notify,
        this is only what a lost notice costs.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        directory: Directory,
        tasks: Sequence[PeriodicTask] = (),
        poll_seconds: float = 0.5,
    ) -> None:
        self._catalog = catalog
        self._directory = directory
        self._tasks = tasks
        self._poll_seconds = poll_seconds
        self._thread = BackgroundThread("scheduler", self._run)
        self.start = self._thread.start
        self.stop = self._thread.stop

    def _run(self) -> None:
        listener = open_listener(self._catalog.store.engine)
        for task in self._tasks:
            task.due = time.monotonic() + task.seconds
        stopping = self._thread.stopping
        while not stopping.is_set():
            self._safely(lambda: listener.wait(self._poll_seconds, stopping))
            if stopping.is_set():
                break
            self._safely(self._directory.poll)
            for task in self._tasks:
                if time.monotonic() >= task.due:
                    self._safely(task.run)
                    task.due = time.monotonic() + task.seconds
        listener.close()

    def _safely(self, task: Callable[[], object]) -> None:
        """Run one task; its failure must not end the thread."""
        if not self._thread.run_safely(task):
            self._thread.stopping.wait(self._poll_seconds)
