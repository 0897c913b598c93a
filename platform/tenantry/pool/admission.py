"""Admission: decides which requests wait for an instance, and which are refused."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Generic

from tenantry.errors import (
    BuildTimeoutError,
    RateLimitError,
    TenantBusyError,
    TenantLimitError,
    TooManyWaitersError,
)
from tenantry.pool.parts import App, BeyondBuild, Build, InLine, PooledInstance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.limits.backlog import Listeners
    from tenantry.pool.builder import Builder
    from tenantry.pool.state import PoolState
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)


class Admission(Generic[App]):
    """Gets a request its instance, with a wait that has an end.

    A request may wait for what is being built, within the limits of the pool. One beyond a limit
    stands in a line (:mod:`tenantry.limits.line`): of its tenant's instance, or of the build.
    """

    def __init__(
        self,
        state: PoolState[App],
        builder: Builder[App],
        *,
        max_in_flight: Callable[[Tenant], int],
        take_tokens: Callable[[Tenant], int],
        listeners: Listeners,
        wait_seconds: float,
    ) -> None:
        self._state = state
        self._builder = builder
        self._max_in_flight = max_in_flight
        self._take_tokens = take_tokens
        self._listeners = listeners
        self._wait_seconds = wait_seconds

    def admit(self, tenant: Tenant) -> PooledInstance[App]:
        """Return the tenant's instance on loan; the caller owes one release."""
        until = time.monotonic() + self._wait_seconds
        impatient = False
        while True:
            place = self._ask(tenant, impatient=impatient)
            # Four cases: it has the instance; the instance is at its limit; it is being built, and
            # enough requests wait for it; it is being built. Else it has paid, and asks again.
            if isinstance(place, PooledInstance):
                return place
            if isinstance(place, InLine):
                if self._wait_in_line(place, until):
                    return place.pooled
            elif isinstance(place, BeyondBuild):
                self._wait_beyond_build(place, until)
            elif place is not None:
                pooled = self._wait_for_build(place)
                if pooled is not None and pooled.revision >= tenant.revision:
                    return pooled
                if pooled is not None:  # its build began before the tenant changed: ask again
                    self._end(pooled)
                impatient = pooled is None

    def _ask(
        self, tenant: Tenant, *, impatient: bool
    ) -> PooledInstance[App] | InLine[App] | Build[App] | BeyondBuild[App] | None:
        """Ask for the instance, and take tokens if they are missing."""
        pooled = self._state.instances.get(tenant.id)
        if pooled is None or pooled.tokens or pooled.revision < tenant.revision:
            self._state.short = self._state.budget.shortage() is not None
            max_in_flight = self._max_in_flight(tenant)
            place = self._state.enter(tenant, max_in_flight=max_in_flight, impatient=impatient)
            self._builder.start()
            if place is not None:
                return place
        return self._lend_for_tokens(tenant)

    def _lend_for_tokens(self, tenant: Tenant) -> PooledInstance[App] | None:
        """Take tokens, and lend the instance if only they were missing."""
        try:
            tokens = self._take_tokens(tenant)
        except RateLimitError as error:
            self._state.count("limited")
            raise TenantLimitError(tenant.slug, error.retry_after or 1) from None
        return self._state.lend(tenant, tokens)

    def _end(self, pooled: PooledInstance[App]) -> None:
        dispose = self._state.release(pooled)
        if dispose is not None:
            self._builder.finish(pooled, dispose=dispose)

    def _wait_in_line(self, place: InLine[App], until: float) -> bool:
        """Wait for one of the tenant's requests to end; say whether its lease is this one's now."""
        try:
            place.turn.wait_while_allowed(
                self._listeners, until=until, near_for=partial(self._state.near_for, place)
            )
        except BaseException:
            if self._state.leave_line(place):  # it came all the same, and goes to another request
                self._end(place.pooled)
            raise
        granted = self._state.leave_line(place)
        if granted is False:
            raise TenantBusyError(place.pooled.slug)
        return granted is True

    def _wait_for_build(self, build: Build[App]) -> PooledInstance[App] | None:
        """Wait for a build; return its instance on loan, or ``None`` if an older one can serve."""
        has_older = build.tenant.id in self._state.instances
        limit = build.patient_until if has_older else build.deadline
        build.ready.wait(max(0.0, limit - self._state.clock()))
        try:
            return self._state.leave_build(build)
        except BuildTimeoutError:
            log.warning(
                "%s (%s) takes more than %.1f s to build, error %s",
                build.tenant.slug,
                build.tenant.id,
                self._state.build_seconds,
                build.error_id,
            )
            raise

    def _wait_beyond_build(self, place: BeyondBuild[App], until: float) -> None:
        """Wait for a build for which enough requests wait already."""
        young_for = partial(self._state.young_for, place.build)
        ask_again = False
        try:
            if place.has_older:  # which serves when the build is young no longer
                place.turn.wait(max(0.0, young_for()))
            else:
                place.turn.wait_while_allowed(self._listeners, until=until, near_for=young_for)
        finally:
            ask_again = self._state.leave_build_line(place)
        if not ask_again:
            raise TooManyWaitersError(place.build.tenant.slug)
