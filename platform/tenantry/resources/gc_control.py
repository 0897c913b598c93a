"""Controls Python's garbage collector: short pauses, and detection of leaked instances.

A full collection walks through every container object of the process and stops all threads meanwhile;
with thousands of live apps that is a tenth of a second and more. Objects that are there to stay are
frozen, that is, kept out of it. What is frozen still dies when nobody refers to it; only frozen
*cycles* have to be thawed to be found, which happens when a disposed instance is seen to live on.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

T = TypeVar("T")

BATCH = 100
"""Instances built between two freezes: what has come since is what a collection walks through."""

GRACE_SECONDS = 30.0
"""After so long a disposed instance should be gone."""

THAW_SHARE = 0.001
"""Part of the time that thawing may stop the process: a pause of 0.1 s, then none for 100 s."""

MAX_WATCHED = 10_000
"""Disposed instances that are watched, at most."""

NAMED = 3
"""Leaked instances whose holders are searched for at a thaw: each search walks through every object."""

UNNAMED = "not searched: there are too many"


@dataclass(frozen=True, slots=True)
class LeakedInstance:
    """An instance that was disposed of and lives on."""

    tenant: str
    slug: str
    since: float
    """When it was disposed of, in seconds since the epoch."""
    held_by: str
    """Kinds of the objects that refer to it; ``tenantry doctor`` finds their names."""


class _Tracked:
    __slots__ = ("at", "disposed_at", "reference", "reported", "slug", "tenant_id")

    def __init__(self, reference: weakref.ref[Any], tenant_id: str, slug: str, at: float) -> None:
        self.reference = reference
        self.tenant_id = tenant_id
        self.slug = slug
        self.at = at
        self.disposed_at = time.time()
        self.reported = ""


class GcControl:
    """Freezes what stays, thaws when something that should have gone has not.

    One for a process; its freezes and thaws never overlap.
    """

    def __init__(self, *, batch: int = BATCH, clock: Callable[[], float] = time.monotonic) -> None:
        self._batch = batch
        self._clock = clock
        self._lock = threading.Lock()
        self._fresh = 0
        self._watched: list[_Tracked] = []
        self._thaw_at = float("-inf")
        self._stopped = 0.0  # seconds, all pauses together
        self.collections = 0
        self.thaws = 0
        self.longest_pause = 0.0
        """Seconds that one of our own collections or looks has stopped the process, at most."""

    def begin(self) -> None:
        """Freeze what has been loaded; nobody is served yet, so this pause does not count."""
        gc.collect()
        gc.freeze()

    def freeze(self) -> None:
        """Collect what is garbage by now, and keep the rest out of later collections."""
        with self._lock:
            self._fresh = 0
            self._stop(gc.collect)
            gc.freeze()
            self.collections += 1

    def note_built(self) -> None:
        """Count a new instance; every so many, freeze."""
        self._fresh += 1
        if self._fresh >= self._batch:
            self.freeze()

    def watch(self, instance: Any, tenant_id: str, slug: str) -> None:
        """See to it that a disposed instance dies."""
        try:
            reference = weakref.ref(instance)
        except TypeError:  # not every object can be watched
            return
        watched = _Tracked(reference, tenant_id, slug, self._clock())
        with self._lock:
            if len(self._watched) < MAX_WATCHED:
                self._watched.append(watched)

    def tend(self, *, short: bool = False) -> None:
        """Freeze what was built lately; look after the disposed. A background thread calls it.

        :param short: Memory is short: thaw, even if nothing is known to live on.
        """
        if self._fresh:
            self.freeze()
        with self._lock:
            self._watched = [one for one in self._watched if one.reference() is not None]
            now = self._clock()
            overdue = [
                one for one in self._watched if not one.reported and now - one.at >= GRACE_SECONDS
            ]
            thaw = (overdue or short) and now >= self._thaw_at
            living = self._thaw(overdue) if thaw else []
        for one in living[:NAMED]:
            log.warning(
                "leaked an instance of %s (%s): it is disposed of, but held by: %s; "
                "`tenantry doctor` names the holder",
                one.slug,
                one.tenant_id,
                one.reported,
            )
        if living[NAMED:]:
            log.warning("%d more instances leaked", len(living) - NAMED)

    def leaked(self) -> list[LeakedInstance]:
        """Return the disposed instances that were seen to live on after a full collection."""
        with self._lock:
            return [
                LeakedInstance(one.tenant_id, one.slug, one.disposed_at, one.reported)
                for one in self._watched
                if one.reported and one.reference() is not None
            ]

    def figures(self) -> dict[str, float]:
        """Return what it has done; the longest pause is in seconds."""
        return {
            "frozen": gc.get_freeze_count(),
            "collections": self.collections,
            "thaws": self.thaws,
            "longest_pause": round(self.longest_pause, 6),
        }

    def _thaw(self, overdue: list[_Tracked]) -> list[_Tracked]:
        """Collect frozen cycles too; return those of the overdue that are none, marked as reported."""
        before = self._stopped
        gc.unfreeze()
        self._stop(gc.collect)
        living = [one for one in overdue if one.reference() is not None]
        for number, one in enumerate(living):
            named = number < NAMED
            one.reported = self._stop(partial(_holders, one.reference)) if named else UNNAMED
        gc.freeze()
        self.collections += 1
        self.thaws += 1
        self._thaw_at = self._clock() + (self._stopped - before) / THAW_SHARE
        return living

    def _stop(self, task: Callable[[], T]) -> T:
        """Do what stops all threads meanwhile, and take the time."""
        started = time.perf_counter()
        try:
            return task()
        finally:
            seconds = time.perf_counter() - started
            self._stopped += seconds
            self.longest_pause = max(self.longest_pause, seconds)


def _holders(reference: weakref.ref[Any]) -> str:
    """Return the kinds of the objects that refer to an instance, as ``dict, list``."""
    instance = reference()
    if instance is None:  # it was freed since the last check
        return "nobody any more"
    referrers = gc.get_referrers(instance)
    kinds = {type(one).__name__ for one in referrers if type(one).__name__ != "frame"}
    return ", ".join(sorted(kinds)) or "something outside the collector's sight"
