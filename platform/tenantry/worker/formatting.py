"""Formats figures for a terminal and for the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenantry.worker.figures import Worker


def age(seconds: float) -> str:
    """Return how long something has been so, in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def duration(seconds: float) -> str:
    """Return how long something took."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.1f} s"


def next_try(seconds: float) -> str:
    """Return when a failed build may be tried again, at a request."""
    return f"in {seconds:.0f} s" if seconds >= 1 else "next visit"


def share(worker: Worker, name: str) -> str:
    """Return what a worker uses of something, and how much it may."""
    return f"{worker.used(name):.0f}/{worker.limit(name):.0f}"
