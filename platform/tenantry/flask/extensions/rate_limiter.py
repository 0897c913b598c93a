"""Flask-Limiter: each tenant's requests are counted by themselves, in whatever storage there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenantry.flask.binding import EXTENSION, current_tenant

if TYPE_CHECKING:
    from flask import Flask


class TenantStrategy:
    """A strategy of counting that puts the current tenant's id in front of what it counts by."""

    def __init__(self, strategy: Any) -> None:
        self._strategy = strategy

    def hit(self, item: Any, *identifiers: str, **options: Any) -> Any:
        return self._strategy.hit(item, _prefix(), *identifiers, **options)

    def test(self, item: Any, *identifiers: str, **options: Any) -> Any:
        return self._strategy.test(item, _prefix(), *identifiers, **options)

    def get_window_stats(self, item: Any, *identifiers: str) -> Any:
        return self._strategy.get_window_stats(item, _prefix(), *identifiers)

    def clear(self, item: Any, *identifiers: str) -> Any:
        return self._strategy.clear(item, _prefix(), *identifiers)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)


def _prefix() -> str:
    return f"t_{current_tenant.id}"


def adapt(app: Flask) -> None:
    """Make the app's limiters count for each tenant.

    A limiter of a module is set up again by each build. It keeps its first storage: the counts of the
    tenants that are served already must not begin anew.
    """
    tenant = app.extensions[EXTENSION].tenant
    for limiter in app.extensions.get("limiter", ()):
        limiter._key_prefix = limiter._key_prefix.removeprefix(f"t_{tenant.id}:")  # noqa: SLF001
        first = vars(limiter).setdefault(
            "_tenantry_first",
            (limiter._storage, limiter._limiter, limiter._fallback_limiter),  # noqa: SLF001
        )
        storage, strategy, fallback = first
        limiter._storage = storage  # noqa: SLF001
        limiter._limiter = TenantStrategy(strategy)  # noqa: SLF001
        if fallback is not None:
            limiter._fallback_limiter = TenantStrategy(fallback)  # noqa: SLF001
