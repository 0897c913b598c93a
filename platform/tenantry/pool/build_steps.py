"""Times the named steps of a build."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_STEPS = 30
"""A factory that makes a step of each of its thousand files tells no more than its first ones. The
steps of the pool itself, the whole factory and the probe, are always there."""

Steps = list[tuple[str, float]]

_steps: ContextVar[Steps | None] = ContextVar("tenantry_build_steps", default=None)


def begin() -> Steps:
    """Start collecting the steps of this thread's build; return the list that they go into."""
    steps: Steps = []
    _steps.set(steps)
    return steps


@contextmanager
def timed(steps: Steps, name: str) -> Iterator[None]:
    """Add to *steps* how long the block took."""
    started = time.perf_counter()
    try:
        yield
    finally:
        steps.append((name, time.perf_counter() - started))


@contextmanager
def build_step(name: str) -> Iterator[None]:
    """Time a part of a build under *name*; ``tenantry status`` shows it with the slowest builds.

    A factory may use it as it likes. Outside a build it does nothing.
    """
    steps = _steps.get()
    if steps is None:
        yield
        return
    step: Steps = []
    try:
        with timed(step, name):
            yield
    finally:
        if len(steps) < MAX_STEPS:
            steps += step
