"""Back-off: when a failed factory may try again, and what operators read about it."""

from __future__ import annotations

import random
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenantry.errors import BuildFailedError
from tenantry.pool.reports import FailureReport

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.values.tenant import Tenant

FIRST_DELAY = 1.0
MAX_DELAY = 60.0
"""Seconds between tries of a failing factory: the first, doubled each time, and the most."""

MAX_FAILURES = 10_000
"""Failing tenants whose back-off is remembered, at most."""

MAX_REPORTED = 100
"""Failures that are told of."""


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


class BackOff:
    """The failures of a pool's tenants. The pool's lock guards it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, Failure] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def __contains__(self, tenant_id: object) -> bool:
        return tenant_id in self._failures

    def check(self, tenant: Tenant) -> None:
        """Refuse to build while the factory backs off. A new revision may try at once.

        :raises BuildFailedError: It does.
        """
        failure = self._failures.get(tenant.id)
        if failure is None or failure.revision < tenant.revision:
            return
        left = failure.retry_at - self._clock()
        if left > 0:
            raise BuildFailedError(tenant.slug, failure.error_id, max(1, round(left)))

    def note(self, tenant: Tenant, error: BaseException, error_id: str) -> float:
        """Count a failure; return the seconds until the next try."""
        before = self._failures.pop(tenant.id, None)
        attempts = before.attempts + 1 if before is not None else 1
        delay = min(MAX_DELAY, FIRST_DELAY * 2.0 ** (attempts - 1))
        # Jitter, so that the workers and tenants that failed together do not retry together.
        delay *= random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        self._failures[tenant.id] = Failure(
            slug=tenant.slug,
            revision=tenant.revision,
            problem=_problem_of(error),
            error_id=error_id,
            retry_at=self._clock() + delay,
            attempts=attempts,
            at=time.time(),
        )
        if len(self._failures) > MAX_FAILURES:
            self._failures.popitem(last=False)
        return delay

    def forget(self, tenant_id: str) -> None:
        """Drop a tenant whose build has succeeded."""
        self._failures.pop(tenant_id, None)

    def reports(self, serving: Callable[[str], int | None]) -> list[FailureReport]:
        """Return the tenants whose newest revision could not be built, the latest ones first.

        :param serving: Returns the revision that goes on serving a tenant.
        """
        now = self._clock()
        return [
            FailureReport(
                tenant_id,
                failure.slug,
                failure.revision,
                serving(tenant_id),
                failure.problem,
                failure.error_id,
                failure.attempts,
                max(0.0, failure.retry_at - now),
                failure.at,
            )
            for tenant_id, failure in list(reversed(self._failures.items()))[:MAX_REPORTED]
        ]


def _problem_of(error: BaseException) -> str:
    """Return what an operator reads of a factory's failure; the log has the whole of it."""
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__
