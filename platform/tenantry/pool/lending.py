"""Lending instances: each request holds one while it lasts, within its tenant's share."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from tenantry.errors import (
    BuildTimeoutError,
    PoolClosedError,
    PoolError,
    PoolFullError,
    RateLimitError,
    TenantBusyError,
    TenantLimitError,
    TooManyWaitersError,
)
from tenantry.pool.parts import Build, Resident
from tenantry.pool.patience import LOOK_SECONDS, Patience
from tenantry.pool.shelf import App

if TYPE_CHECKING:
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

TURN_SECONDS = 2.0
"""Seconds that a surplus request waits for its turn while nobody else needs its thread."""

RETRY_SLOW = 5
"""Seconds after which to ask again for what takes too long to build."""


class Lending(Patience[App]):
    """Finds each request its instance, and takes it back."""

    def hold(self, tenant: Tenant) -> Resident[App]:
        """Do what :meth:`acquire` does for a caller that is its own lease.

        It owes exactly one :meth:`give_back`. Each request comes this way: an object less counts.
        """
        tenant_id = tenant.id
        # Spelt out on the way of every request, here and in give_back: `with` takes twice as long.
        self._lock.acquire()
        try:
            resident = self._residents.get(tenant_id)
            if (
                resident is not None
                and resident.tokens
                and resident.leases < resident.share
                and resident.revision >= tenant.revision
            ):
                resident.tokens -= 1
                resident.leases += 1
                self._residents.move_to_end(tenant_id)
                self._hits += 1
                return resident
        finally:
            self._lock.release()
        if resident is not None and not resident.tokens:
            self._refill(resident, tenant)
            return self.hold(tenant)
        return self._hold_slowly(tenant)

    def give_back(self, resident: Resident[App]) -> None:
        """End one lease. Whoever holds it calls this once."""
        self._lock.acquire()
        try:
            resident.used_at = self._clock()
            if resident.turns and not resident.retired:
                resident.turns.pop(0).set()  # the lease goes to who waits for it
                return
            resident.leases -= 1
            if resident.retired:
                self._return_share(resident.tenant_id)
            if resident.leases or not (resident.retired or self._queue):
                return
            finished = resident.retired
            self._retired.discard(resident)
            self._admit()
        finally:
            self._lock.release()
        self._start()
        if finished:
            self._discard(resident)

    def _hold_slowly(self, tenant: Tenant) -> Resident[App]:
        """Lend an instance that has to be built, or waited for, or paid for first."""
        until = time.monotonic() + TURN_SECONDS
        impatient = False
        while True:
            self._short = self._budget.shortage() is not None
            with self._lock:
                found = self._choose(tenant, impatient=impatient)
                crowded = self._is_crowded(found)
                if isinstance(found, Build):
                    found.waiters += not crowded
                    self._waiting += not crowded
                elif found.tokens and not crowded:
                    return self._lend(found)
            self._start()
            if isinstance(found, Resident):
                if self._is_ready(found, tenant, until, crowded=crowded):
                    return found
            elif crowded:
                self._linger(found, until)
            else:
                held = self._wait(found, tenant)
                if held is not None and held.revision >= tenant.revision:
                    return held
                if held is not None:  # its build began before the tenant changed: ask again
                    self.give_back(held)
                impatient = held is None

    def _choose(self, tenant: Tenant, *, impatient: bool) -> Resident[App] | Build[App]:
        """Return the instance to lend, or the build to wait for; begin it if need be."""
        if self._closed:
            raise PoolClosedError(tenant.slug)
        resident = self._residents.get(tenant.id)
        if resident is not None and resident.revision >= tenant.revision:
            return resident
        try:
            build = self._builds.get(tenant.id)
            if build is None:
                build = self._begin(tenant)
            elif self._clock() >= build.deadline:
                self._forget_unwanted(build)
                raise self._too_late(build)
        except PoolError:
            if resident is None:
                self._counts["refusals"] += 1
                raise
            return resident  # stale beats dead
        if resident is not None and (
            impatient
            or self._clock() >= build.patient_until
            or (self._is_crowded(build) and not self._is_young(build))
        ):
            return resident  # the old one serves while the new one is built
        return build

    def _lend(self, resident: Resident[App]) -> Resident[App]:
        resident.tokens -= 1
        self._hits += 1
        resident.leases += 1
        self._residents.move_to_end(resident.tenant_id)
        return resident

    def _wait(self, build: Build[App], tenant: Tenant) -> Resident[App] | None:
        """Wait for a build; return its instance on loan, or ``None`` if an older one can serve."""
        has_older = tenant.id in self._residents
        limit = build.patient_until if has_older else build.deadline
        build.ready.wait(max(0.0, limit - self._clock()))
        with self._lock:
            self._waiting -= 1
            if build.resident is not None:  # the lease was counted when the build ended
                return build.resident
            build.waiters -= 1
            if tenant.id in self._residents:
                return None
            self._forget_unwanted(build)
            error = build.error
            self._counts["timeouts"] += error is None
        if error is None:
            raise self._overdue(build)
        # One for each waiter: a raised exception carries its own thread's traceback.
        raise type(error)(*error.args)

    def _linger(self, build: Build[App], until: float) -> None:
        """Wait a moment for a build for which enough requests wait already."""
        # Where an older instance can serve, it does when the build is young no longer.
        if build.tenant.id in self._residents or self._may_linger(build, until):
            build.ready.wait(LOOK_SECONDS)
            return
        with self._lock:
            self._counts["refusals"] += 1
            self._forget_unwanted(build)
        raise TooManyWaitersError(build.tenant.slug)

    def _overdue(self, build: Build[App]) -> PoolError:
        if not build.queued:
            log.warning(
                "%s (%s) takes more than %.1f s to build, error %s",
                build.tenant.slug,
                build.tenant.id,
                self._build_seconds,
                build.error_id,
            )
        return self._too_late(build)

    def _too_late(self, build: Build[App]) -> PoolError:
        if build.queued or isinstance(build.error, PoolFullError):  # it never got a place
            return PoolFullError(build.tenant.slug)
        return BuildTimeoutError(build.tenant.slug, build.error_id, RETRY_SLOW)

    # --- the tenant's share -----------------------------------------------------------------------

    def _is_ready(
        self, resident: Resident[App], tenant: Tenant, until: float, *, crowded: bool
    ) -> bool:
        """Get what an instance could not be lent without; say whether it is lent now."""
        if not crowded:
            self._refill(resident, tenant)
            return False
        if not self._take_turn(resident, until):
            return False
        self._pay(resident, tenant)
        return True

    def _take_turn(self, resident: Resident[App], until: float) -> bool:
        """Wait for one of the tenant's requests to end; say whether its lease is this one's now."""
        turn = threading.Event()
        with self._lock:
            if resident.leases < resident.share:
                return False
            resident.turns.append(turn)
        refused = False
        try:
            # While it is in the cache: whoever holds it then knows of its successor, not of this one.
            while self._residents.get(resident.tenant_id) is resident:
                refused = not self._may_linger(resident, until)
                if refused or turn.wait(LOOK_SECONDS):
                    break
        except BaseException:  # a turn that came meanwhile is somebody else's
            if self._leave(resident, turn):
                self.give_back(resident)
            raise
        if self._leave(resident, turn):
            return True
        if refused:
            with self._lock:
                self._counts["busy"] += 1
            raise TenantBusyError(resident.slug)
        return False

    def _leave(self, resident: Resident[App], turn: threading.Event) -> bool:
        """Wait no longer; say whether the turn has come, and a lease with it."""
        with self._lock:
            if not turn.is_set():
                resident.turns.remove(turn)
            return turn.is_set()

    def _return_share(self, tenant_id: str) -> None:
        """Give the present instance what a request that held an older one has taken from it."""
        resident = self._residents.get(tenant_id)
        if resident is None:
            return
        resident.share += 1
        if resident.turns and resident.leases < resident.share:
            resident.leases += 1
            resident.turns.pop(0).set()

    # --- the tenant's rate ------------------------------------------------------------------------

    def _refill(self, resident: Resident[App], tenant: Tenant) -> None:
        try:
            drawn = self._draw(tenant)
        except RateLimitError as error:
            with self._lock:
                self._counts["limited"] += 1
            raise TenantLimitError(tenant.slug, error.retry_after or 1) from None
        with self._lock:
            resident.tokens += drawn
            resident.drawn += drawn

    def _pay(self, resident: Resident[App], tenant: Tenant) -> None:
        """Take a token for a lease that has been handed over; without one it is handed on."""
        while True:
            with self._lock:
                if resident.tokens:
                    resident.tokens -= 1
                    self._hits += 1
                    return
            try:
                self._refill(resident, tenant)
            except TenantLimitError:
                self.give_back(resident)
                raise
