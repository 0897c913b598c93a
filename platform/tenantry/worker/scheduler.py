"""The background thread of a worker: polls for changes and runs periodic tasks.

It is started in the worker, never before a fork: a thread does not survive one.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.catalog.listener import open_listener

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenantry.catalog import Catalog
    from tenantry.catalog.directory import Directory

log = logging.getLogger(__name__)


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
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread. Call it in the process that serves."""
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        listener = open_listener(self._catalog.store.engine)
        for task in self._tasks:
            task.due = time.monotonic() + task.seconds
        while not self._stopping.is_set():
            self._safely(lambda: listener.wait(self._poll_seconds, self._stopping))
            if self._stopping.is_set():
                break
            self._safely(self._directory.poll)
            for task in self._tasks:
                if time.monotonic() >= task.due:
                    self._safely(task.run)
                    task.due = time.monotonic() + task.seconds
        listener.close()

    def _safely(self, task: Callable[[], object]) -> None:
        """Run one task; its failure must not end the thread."""
        try:
            task()
        except Exception:
            log.exception("a periodic task failed")
            self._stopping.wait(self._poll_seconds)
