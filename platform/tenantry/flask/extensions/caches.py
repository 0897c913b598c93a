"""Flask-Caching: each tenant has a cache of its own, whatever the extension has been given."""

from __future__ import annotations

import copy
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask_caching import Cache

from tenantry.errors import UnfitError
from tenantry.flask.app_proxies import THE_APP
from tenantry.flask.building import current_build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

GIVEN = "tenantry.caches"
"""Where an app keeps what its caches were given beside its own config."""

_set_cache = Cache._set_cache  # noqa: SLF001 - what the extension makes a backend with


@wraps(_set_cache)
def _set_own_cache(self: Cache, app: Flask, config: dict[str, Any]) -> None:
    """Make a tenant's backend: a folder or prefix that the extension was given is pinned too."""
    if current_build() is not None:
        given = {
            key: value
            for key, value in config.items()
            if key.startswith("CACHE_") and app.config.get(key, config) is not value
        }
        app.extensions.setdefault(GIVEN, {})[self] = given
        config = _merge(app, given)
    _set_cache(self, app, config)


def _merge(app: Flask, given: Mapping[str, Any]) -> dict[str, Any]:
    pins = app.config.pins  # type: ignore[attr-defined]
    return {**app.config, **{key: pins.of(key, value) for key, value in given.items()}}


def install() -> None:
    """Have tenants' caches made here."""
    Cache._set_cache = _set_own_cache  # type: ignore[method-assign] # noqa: SLF001


def share(prototype: Flask) -> None:
    """Let go of the prototype's backends: each tenant's app gets its own.

    :raises UnfitError: What the extension was given is not known.
    """
    caches = prototype.extensions.get("cache", {})
    if set(caches) != set(prototype.extensions.get(GIVEN, {})):
        what = "Flask-Caching is imported inside of the factory"
        raise UnfitError(what, "Import it at the top of the module")


def bind(prototype: Flask, app: Flask) -> None:
    """Make a tenant's caches. Those that are a connection to a server share it."""
    given: Mapping[Any, Mapping[str, Any]] = prototype.extensions.get(GIVEN, {})
    for cache, values in given.items():
        shared = prototype.extensions["cache"][cache]
        if hasattr(shared, "key_prefix"):
            own = copy.copy(shared)
            own.key_prefix = _merge(app, values)["CACHE_KEY_PREFIX"]
            app.extensions["cache"][cache] = own
        else:
            _set_cache(cache, app, _merge(app, values))
            cache.app = THE_APP
