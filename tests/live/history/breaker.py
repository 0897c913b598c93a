"""What breaks beneath the platform while it works: workers and the database server."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.live.history.deployment import GaveUpError
from tests.live.server import until

if TYPE_CHECKING:
    import random
    import threading
    from collections.abc import Callable, Iterator

    from tests.live.history.deployment import Deployment

RELOAD_SECONDS = 90
LONGEST_OUTAGE = 1.0


class Breaker:
    """Breaks one thing after the other."""

    def __init__(self, deployment: Deployment, chance: random.Random) -> None:
        self._deployment = deployment
        self._chance = chance
        self.done: list[str] = []

    def work(self, stopping: threading.Event) -> None:
        """Break everything, over and over, in any order, until the end."""
        with self._deployment.commands() as self._commands:
            try:
                self._work(stopping)
            except Exception as error:  # noqa: BLE001 - the test shows it
                self._deployment.history.complain(f"the breaker: {error!r}")

    def _work(self, stopping: threading.Event) -> None:
        while not self._deployment.history.complaints:
            tasks = self._tasks()
            self._chance.shuffle(tasks)
            for task in tasks:
                deployment = self._deployment
                deployment.spoken.append(f"{time.monotonic():.3f} {task.__name__}")
                try:
                    task()
                except GaveUpError:
                    return
                self.done.append(task.__name__.strip("_"))
                deployment.spoken.append(f"{time.monotonic():.3f} {task.__name__} done")
                if stopping.wait(self._chance.uniform(0.5, 1.5)):
                    return

    def _tasks(self) -> list[Callable[[], None]]:
        return [
            self._kill_worker,
            self._kill_worker,
            self._reload,
            self._restart_database,
            self._crash_database,
            self._kill_backend,
        ]

    def _kill_worker(self) -> None:
        """Kill one of those that the command line names."""
        deployment = self._deployment
        told = json.loads(deployment.say(self._commands, "status", "--json"))
        victim = self._chance.choice([worker["pid"] for worker in told["workers"]])
        started = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        until(lambda: self._are_new({victim}), why="another worker")
        deployment.excuse("", started, {0}, "a worker that is killed")

    def _reload(self) -> None:
        before = self._deployment.workers()
        self._deployment.say(self._commands, "reload")
        until(lambda: self._are_new(before), seconds=RELOAD_SECONDS, why="all workers are new")

    def _are_new(self, before: set[int]) -> bool:
        now = self._deployment.workers()
        return len(now) == self._deployment.processes and not before & now

    def _restart_database(self) -> None:
        with self._outage():
            pause = self._chance.uniform(0, LONGEST_OUTAGE)
            self._deployment.postgres.restart("fast", pause=pause)

    def _crash_database(self) -> None:
        with self._outage():
            pause = self._chance.uniform(0, LONGEST_OUTAGE)
            self._deployment.postgres.restart("immediate", pause=pause)

    def _kill_backend(self) -> None:
        with self._outage():
            self._deployment.postgres.kill_backend()

    @contextmanager
    def _outage(self) -> Iterator[None]:
        """Note when the database is away: it is away now, however long that will be."""
        outages = self._deployment.outages
        started = time.monotonic()
        outages.append((started, started + RELOAD_SECONDS))
        try:
            yield
        finally:
            outages.remove((started, started + RELOAD_SECONDS))
            outages.append((started, time.monotonic()))
