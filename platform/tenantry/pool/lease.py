"""One request's hold on an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

from tenantry.pool.parts import App, PooledInstance

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Lease(Generic[App]):
    """One request's hold on an instance. Released exactly once, however often it is told to.

    :param since: When it began, if the pool wants to know how long it takes; 0 if not.
    """

    __slots__ = ("_pooled", "_release", "_since", "instance")

    def __init__(
        self,
        release: Callable[[PooledInstance[App], float], None],
        pooled: PooledInstance[App],
        since: float,
    ) -> None:
        self.instance = pooled.instance
        self._release = release
        self._pooled: PooledInstance[App] | None = pooled
        self._since = since

    def release(self) -> None:
        """Give the instance back. A retired one is disposed of when its last lease ends."""
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            self._release(pooled, self._since)

    def __enter__(self) -> Lease[App]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()
