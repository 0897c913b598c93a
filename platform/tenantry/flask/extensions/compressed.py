"""Flask-Compress: a page that it keeps is found by its own tenant only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_compress import Compress

from tenantry.flask.binding import current_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask


class TenantKey:
    """The key of a page in a cache, with the current tenant's id in front."""

    def __init__(self, key: Callable[[Any], str]) -> None:
        self.key = key

    def __call__(self, request: Any) -> str:
        return f"t_{current_tenant.id}:{self.key(request)}"


def adapt(app: Flask) -> None:
    """Put the tenant into the keys of the app's compressed pages."""
    for function in app.after_request_funcs.get(None, ()):
        compress = getattr(function, "__self__", None)
        if (
            isinstance(compress, Compress)
            and compress.cache_key is not None
            and not isinstance(compress.cache_key, TenantKey)
        ):
            compress.cache_key = TenantKey(compress.cache_key)
