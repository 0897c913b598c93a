"""What a pool is made of: instances on loan, builds on their way, factories that failed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from tenantry.errors import PoolError
    from tenantry.values.tenant import Tenant

App = TypeVar("App")

WINDOW_SECONDS = 0.25
"""So long turns are counted before their pace is judged."""

GAP_SECONDS = 0.2
"""After so long without a look the count begins anew: who knows whether anybody wanted a turn."""


class Pace:
    """How fast the requests of a crowded tenant get their turns. Only those who wait look at it."""

    __slots__ = ("_lent", "_looked", "queued_looks", "seconds", "since")

    def __init__(self) -> None:
        self._looked = -GAP_SECONDS
        self._lent = 0
        self.seconds: float | None = None
        """From one turn to the next; ``None`` while it is not known."""
        self.since = 0.0
        """When the count began: with the crowd, or with the last quarter of a second."""
        self.queued_looks = 0
        """So many looks in a row have seen a connection waiting."""

    def look(self, now: float, lent: int) -> None:
        """Count on.

        :param lent: How many requests have got the instance so far.
        """
        gap, self._looked = now - self._looked, now
        passed = now - self.since
        if gap >= GAP_SECONDS:
            self.seconds = None
            self.queued_looks = 0
        elif passed >= WINDOW_SECONDS:
            self.seconds = passed / max(1, lent - self._lent)
        else:
            return
        self.since, self._lent = now, lent


class Resident(Generic[App]):
    """An instance from the end of its build until its disposal."""

    __slots__ = (
        "built_at",
        "drawn",
        "instance",
        "leases",
        "pace",
        "retired",
        "revision",
        "share",
        "slug",
        "stale",
        "tenant_id",
        "tokens",
        "turns",
        "used_at",
    )

    def __init__(
        self, instance: App, tenant: Tenant, *, share: int, leases: int, used_at: float
    ) -> None:
        self.instance = instance
        self.tenant_id = tenant.id
        self.slug = tenant.slug
        self.revision = tenant.revision
        self.share = share  # leases at once, at most; fewer while older instances are on loan
        self.leases = leases
        self.turns: list[threading.Event] = []  # of those who wait for a lease to end
        self.tokens = 0  # requests that may still come before the next draw
        self.drawn = 0  # tokens so far: what is missing of them has been lent for
        self.pace: Pace | None = None  # while it is crowded
        self.built_at = self.used_at = used_at
        self.stale = False  # the tenant has a newer revision
        self.retired = False  # out of the cache; disposed of when the last lease ends


@dataclass(eq=False, slots=True)
class Build(Generic[App]):
    """A build on its way, and who waits for it."""

    tenant: Tenant
    share: int
    asked_at: float
    patient_until: float
    deadline: float
    error_id: str
    waiters: int = 0
    queued: bool = False
    """There is no place for it yet."""
    stale: bool = False
    """The tenant has changed meanwhile: the instance will be stale from its first moment."""
    evicted: Resident[App] | None = None
    """Whose place it takes."""
    resident: Resident[App] | None = None
    error: PoolError | None = None
    ready: threading.Event = field(default_factory=threading.Event)


@dataclass(eq=False, slots=True)
class Failure:
    """A factory that raised, and when it may try again."""

    slug: str
    revision: int
    problem: str
    error_id: str
    retry_at: float
    attempts: int
    at: float


class Lender(Protocol[App]):
    """Takes instances back."""

    def give_back(self, resident: Resident[App]) -> None:
        """End one lease."""


class Lease(Generic[App]):
    """One request's hold on an instance. Released exactly once, however often it is told to."""

    __slots__ = ("_pool", "_resident", "instance")

    def __init__(self, pool: Lender[App], resident: Resident[App]) -> None:
        self._pool = pool
        self._resident: Resident[App] | None = resident
        self.instance = resident.instance

    def release(self) -> None:
        """Give the instance back. A retired one is disposed of when its last lease ends."""
        resident, self._resident = self._resident, None
        if resident is not None:
            self._pool.give_back(resident)

    def __enter__(self) -> Lease[App]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
