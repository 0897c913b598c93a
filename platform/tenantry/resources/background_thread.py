"""The one kind of thread that a worker runs beside its requests."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

STOP_SECONDS = 5.0
"""How long an ending worker waits for a thread. It is a daemon: then it ends with the process."""


class BackgroundThread:
    """A thread with a name that starts in the worker, after any fork, and ends within a bound.

    :param work: Runs in the thread. It returns soon after :attr:`stopping` is set.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self._name = name
        self._work = work
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._failure = ""
        self.stopping = threading.Event()
        """Set when the thread is to end."""

    def start(self) -> None:
        """Start it. Call this in the process that serves: a thread does not survive a fork."""
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Tell it to end and wait for it. In a child that the worker has forked there is none."""
        self.stopping.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(seconds)

    def repeat(self, seconds: float, task: Callable[[], object]) -> None:
        """Run *task* every *seconds* until the thread is to end; call this in *work*."""
        while not self.stopping.wait(seconds):
            self.run_safely(task)

    def run_safely(self, task: Callable[[], object]) -> bool:
        """Run *task*; return whether it ended well. The same failure is logged only once in a row."""
        try:
            task()
        except Exception as error:
            failure = repr(error)
            if failure != self._failure:
                log.exception("the thread %s: a task failed", self._name)
            self._failure = failure
            return False
        self._failure = ""
        return True
