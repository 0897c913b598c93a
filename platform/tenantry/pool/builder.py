"""The builder: one build per tenant, in a separate thread, with room reserved beforehand."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Generic

from tenantry.pool.build_steps import Steps, begin, timed
from tenantry.pool.parts import App, Build, PooledInstance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.pool.state import PoolState
    from tenantry.resources.gc_control import GcControl
    from tenantry.values.tenant import Tenant

log = logging.getLogger(__name__)

SLOW_SECONDS = 0.1
"""A build that takes longer is told in the log."""


class Builder(Generic[App]):
    """Runs the pool's foreign code: factory, probe and dispose.

    A factory that hangs takes no thread from the server. While it hangs nothing else is started for
    its tenant.
    """

    def __init__(
        self,
        state: PoolState[App],
        build: Callable[[Tenant], App],
        *,
        dispose: Callable[[App], None],
        probe: Callable[[App, Tenant], None],
        gc_control: GcControl,
    ) -> None:
        self.state = state
        self._build = build
        self._dispose = dispose
        self._probe = probe
        self._gc_control = gc_control

    def start(self) -> None:
        """Start what is to be started, each in a thread of its own."""
        while self.state.starting:
            for build in self.state.take_starting():
                name = f"build-{build.tenant.slug}"
                thread = threading.Thread(target=self.run, args=(build,), name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # the system has no thread left
                    self._fail(build, error)
                    self._discard_evicted(build)

    def run(self, build: Build[App]) -> None:
        """Build in this thread."""
        steps = begin()
        steps.append(("thread", self.state.clock() - build.asked_at))
        pooled = self._make(build, steps)
        if pooled is not None:
            self._settle(build, pooled, steps)
        # Only now: a disposal that takes its time, or hangs, keeps nobody waiting.
        self._discard_evicted(build)

    def finish(self, pooled: PooledInstance[App], *, dispose: bool) -> None:
        """Do what the end of a lease has made possible."""
        self.start()
        if dispose:
            self.discard(pooled)

    def discard(self, pooled: PooledInstance[App]) -> None:
        """Dispose of an instance that nobody can reach any more."""
        self._dispose_of(pooled.instance, pooled.tenant_id, pooled.slug)
        self.state.count("disposals")

    def _make(self, build: Build[App], steps: Steps) -> PooledInstance[App] | None:
        """Build the instance, and probe it if it is to replace another one."""
        tenant = build.tenant
        instance: App | None = None
        try:
            with timed(steps, "factory"):
                instance = self._build(tenant)
            now = self.state.clock()
            if tenant.id in self.state.instances:
                with timed(steps, "probe"):
                    self._probe(instance, tenant)
        except BaseException as error:  # noqa: BLE001 - every waiter is told; nothing may hang
            self._fail(build, error)
            if instance is not None:
                self._dispose_of(instance, tenant.id, tenant.slug)
            return None
        return PooledInstance(instance, tenant, max_in_flight=build.max_in_flight, now=now)

    def _settle(self, build: Build[App], pooled: PooledInstance[App], steps: Steps) -> None:
        seconds, finished = self.state.settle(build, pooled, tuple(steps))
        self.start()
        level = logging.INFO if seconds >= SLOW_SECONDS else logging.DEBUG
        log.log(level, "built %s (%s) in %.0f ms", pooled.slug, pooled.tenant_id, seconds * 1000)
        for one in finished:
            self.discard(one)
        self._gc_control.note_built()

    def _fail(self, build: Build[App], error: BaseException) -> None:
        delay = self.state.fail(build, error)
        self.start()
        log.error(
            "building %s (%s) failed, error %s, next try in %.1f s",
            build.tenant.slug,
            build.tenant.id,
            build.error_id,
            delay,
            exc_info=error,
        )

    def _discard_evicted(self, build: Build[App]) -> None:
        evicted = self.state.take_evicted(build)
        if evicted is not None:
            self.discard(evicted)

    def _dispose_of(self, instance: App, tenant_id: str, slug: str) -> None:
        try:
            self._dispose(instance)
        except Exception:
            log.exception("disposing of an instance of %s failed", slug)
        self._gc_control.watch(instance, tenant_id, slug)
