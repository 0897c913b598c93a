"""Lets a worker sleep until there is something to do."""

from __future__ import annotations

import logging
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING

from tenantry.catalog.listener import JOBS_CHANNEL, PostgresListener

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.catalog import Catalog

log = logging.getLogger(__name__)


class Waiter:
    """Sleeps in one system call, until a job was added, a thread is done, or the time is over.

    :param has_listener: Says whether another process of the node listens for jobs that are added on
        other nodes, and tells by the pipe.
    """

    def __init__(self, catalog: Catalog, has_listener: Callable[[], bool] = bool) -> None:
        engine = catalog.store.engine
        self._has_listener = has_listener
        is_server = engine.dialect.name == "postgresql"
        self._listener = PostgresListener(engine, JOBS_CHANNEL) if is_server else None
        self._pipe = catalog.jobs.pipe.open_reader()
        self._own, self._own_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    @property
    def signal_descriptor(self) -> int:
        """For ``signal.set_wakeup_fd``: a signal ends the sleep."""
        return self._own_end

    def wake(self) -> None:
        """End the sleep of this worker, from any of its threads."""
        with suppress(OSError):  # full: it is awake
            os.write(self._own_end, b"\0")

    def wait(self, seconds: float) -> None:
        """Return after *seconds*, or earlier if there may be something to do."""
        poll = select.poll()
        for descriptor in (self._pipe, self._own):
            poll.register(descriptor, select.POLLIN)
        listening = self._find_listening()
        if listening is not None:
            poll.register(listening, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}
        for descriptor in ready & {self._pipe, self._own}:
            with suppress(BlockingIOError):
                os.read(descriptor, 65536)
        if self._listener is not None and listening in ready:
            self._listener.take()

    def _find_listening(self) -> int | None:
        if self._listener is None:
            return None
        if self._has_listener():
            self._listener.close()
            return None
        return self._listener.find_descriptor()

    def close(self) -> None:
        """Close what it waits at."""
        if self._listener is not None:
            self._listener.close()
        for descriptor in (self._pipe, self._own, self._own_end):
            os.close(descriptor)
