"""The parts of a pool: instances, builds, and places of waiting requests."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from tenantry.limits.line import Line, Turn

if TYPE_CHECKING:
    from tenantry.errors import PoolError
    from tenantry.values.tenant import Tenant

App = TypeVar("App")


class PooledInstance(Generic[App]):
    """An instance from the end of its build until its disposal."""

    __slots__ = (
        "built_at",
        "instance",
        "leases",
        "line",
        "max_in_flight",
        "retired",
        "revision",
        "slug",
        "stale",
        "tenant_id",
        "tokens",
        "used_at",
    )

    def __init__(self, instance: App, tenant: Tenant, *, max_in_flight: int, now: float) -> None:
        self.instance = instance
        self.tenant_id = tenant.id
        self.slug = tenant.slug
        self.revision = tenant.revision
        self.max_in_flight = (
            max_in_flight  # leases at once; fewer while older instances are on loan
        )
        self.leases = 0
        self.line: Line | None = None  # of those who wait for a lease to end, since there were any
        self.tokens = 0  # requests that may still come before more have to be taken
        self.built_at = self.used_at = now
        self.stale = False  # the tenant has a newer revision
        self.retired = False  # out of the cache; disposed of when the last lease ends


@dataclass(eq=False, slots=True)
class Build(Generic[App]):
    """A build on its way, and who waits for it."""

    tenant: Tenant
    max_in_flight: int
    asked_at: float
    patient_until: float
    deadline: float
    error_id: str
    waiters: int = 0
    """Requests that get the instance on loan the moment it is there."""
    line: Line = field(default_factory=Line)
    """Of requests beyond those."""
    queued: bool = False
    """There is no place for it yet."""
    stale: bool = False
    """The tenant has changed meanwhile: the instance will be stale from its first moment."""
    evicted: PooledInstance[App] | None = None
    """Whose place it takes."""
    pooled: PooledInstance[App] | None = None
    error: PoolError | None = None
    ready: threading.Event = field(default_factory=threading.Event)

    def end(self) -> None:
        """Wake all who wait."""
        self.ready.set()
        self.line.dissolve()


@dataclass(frozen=True, slots=True)
class InLine(Generic[App]):
    """The instance is at its limit: the request stands in its line, and its token is kept."""

    pooled: PooledInstance[App]
    line: Line
    turn: Turn


@dataclass(frozen=True, slots=True)
class BeyondBuild(Generic[App]):
    """Enough requests wait for the build: this one stands in the line beyond them."""

    build: Build[App]
    turn: Turn
    has_older: bool
    """An older instance can serve it."""
