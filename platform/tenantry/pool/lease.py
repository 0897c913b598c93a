"""A lease: one request's use of an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from tenantry.pool.parts import App, PooledInstance
from tenantry.resources.releasing_body import ReleasingBody

if TYPE_CHECKING:
    from types import TracebackType

    from tenantry.pool.builder import Builder


class Lease(ReleasingBody, Generic[App]):
    """One request's hold on an instance. Released exactly once, however often it is told to.

    It ends with its block, or with the response body that it becomes when it gets one.

    :param since: When it began, if the pool wants to know how long it takes; 0 if not.
    """

    __slots__ = ("_builder", "_pooled", "_since", "instance")

    def __init__(self, builder: Builder[App], pooled: PooledInstance[App], since: float) -> None:
        self.instance = pooled.instance
        self._builder = builder
        self._pooled: PooledInstance[App] | None = pooled
        self._since = since

    def release(self) -> None:
        """Give the instance back. A retired one is disposed of when its last lease ends."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            dispose = self._builder.state.release(pooled, self._since)
            if dispose is not None:
                self._builder.finish(pooled, dispose=dispose)

    def __enter__(self) -> Lease[App]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
