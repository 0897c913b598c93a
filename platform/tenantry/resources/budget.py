"""A worker's budget: instances, memory, SQLite connections and file descriptors."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")
LOOK_SECONDS = 0.25
"""A measured figure is used for so long: asking the system at each build would cost more."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the process takes now."""

    memory_mb: float
    """Resident memory, in MiB."""

    descriptors: int
    """Open file descriptors."""


class Budget:
    """The limits of one process, and what it uses.

    :param instances: Live tenant instances, at most.
    :param memory_mb: Resident MiB above which idle instances are given up.
    :param connections: SQLite connections kept open between requests.
    :param descriptors: Descriptors above which idle connections are closed; 0 means four fifths of
        what the system allows.
    :param measure: Asks the system.
    """

    def __init__(
        self,
        *,
        instances: int = 10_000,
        memory_mb: float = 768,
        connections: int = 200,
        descriptors: int = 0,
        measure: Callable[[], Footprint] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.instances = instances
        self.memory_mb = memory_mb
        self.connections = connections
        self.descriptors = descriptors or resource.getrlimit(resource.RLIMIT_NOFILE)[0] * 4 // 5
        self._measure = measure or measure_process
        self._clock = clock
        self._footprint = Footprint(0.0, 0)
        self._measured_at = float("-inf")

    def footprint(self) -> Footprint:
        """Return what the process takes, not older than a moment."""
        now = self._clock()
        if now - self._measured_at >= LOOK_SECONDS:
            try:
                self._footprint = self._measure()
            except OSError:  # asking takes a descriptor, and there is none left
                self._footprint = replace(self._footprint, descriptors=self.descriptors + 1)
            self._measured_at = now
        return self._footprint

    def shortage(self) -> str | None:
        """Name what the process has too much of, ``"memory"`` or ``"descriptors"``, if anything."""
        footprint = self.footprint()
        if footprint.memory_mb > self.memory_mb:
            return "memory"
        return "descriptors" if footprint.descriptors > self.descriptors else None


def measure_process() -> Footprint:
    """Ask the system what this process takes."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE
    return Footprint(resident / MIB, len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - no paths needed
