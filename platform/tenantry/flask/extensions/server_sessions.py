"""Flask-Session: each tenant's sessions have a folder or a prefix of their own, and its own cookie."""

from __future__ import annotations

import copy
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from flask_session.base import ServerSideSessionInterface

from tenantry.flask.binding import EXTENSION
from tenantry.flask.building import current_watch
from tenantry.flask.sessions import ScopedSessionInterface

if TYPE_CHECKING:
    from flask import Flask

FOLDER = "sessions"


class _Scoped:
    """Gives the cookie of a server's session the name, path and flags of a tenant's."""

    cookie: ScopedSessionInterface

    def open_session(self, app: Flask, request: Any) -> Any:
        # The library looks for the name in the config, though it sets what get_cookie_name() says.
        names = (self.cookie.get_cookie_name(app), app.config["SESSION_COOKIE_NAME"])
        values = request.cookies.getlist(names[0])
        # Two cookies of one name: another site set one of them. Neither is trusted.
        found = dict.fromkeys(names, values[0]) if len(values) == 1 else {}
        return super().open_session(app, SimpleNamespace(cookies=found))  # type: ignore[misc]

    def get_cookie_name(self, app: Flask) -> str:
        return self.cookie.get_cookie_name(app)

    def get_cookie_path(self, app: Flask) -> str:
        return self.cookie.get_cookie_path(app)

    def get_cookie_domain(self, app: Flask) -> str | None:
        return self.cookie.get_cookie_domain(app)

    def get_cookie_secure(self, app: Flask) -> bool:
        return self.cookie.get_cookie_secure(app)

    def get_cookie_httponly(self, app: Flask) -> bool:
        return self.cookie.get_cookie_httponly(app)

    def get_cookie_samesite(self, app: Flask) -> str | None:
        return self.cookie.get_cookie_samesite(app)


@lru_cache(maxsize=16)
def _scoped(kind: Any) -> Any:
    if issubclass(kind, _Scoped):
        return kind
    return type(kind.__name__, (_Scoped, kind), {"__module__": kind.__module__})


def adapt(app: Flask) -> None:
    """Give the session's cookie the scope of the app's tenant."""
    interface: Any = app.session_interface
    if not isinstance(interface, ServerSideSessionInterface):
        return
    kind: Any = type(interface)
    interface.__class__ = _scoped(kind)
    _set_scope(interface, app)
    watch = current_watch()
    if watch is not None and hasattr(interface, "sql_session_model"):
        watch.tables.append(partial(_make_table, interface))


def share(prototype: Flask) -> None:
    """Let go of what is the prototype's: each tenant's app has an interface of its own."""
    interface: Any = prototype.session_interface
    if isinstance(interface, ServerSideSessionInterface):
        interface.key_prefix, interface.cookie = "", None
        if hasattr(interface, "cache") and hasattr(interface.cache, "_path"):
            interface.cache._path = ""  # noqa: SLF001 - of cachelib's FileSystemCache


def bind(_prototype: Flask, app: Flask) -> None:
    """Give a tenant's app an interface that shares the store's connection, and no session."""
    if not isinstance(app.session_interface, ServerSideSessionInterface):
        return
    own: Any = copy.copy(app.session_interface)
    own.key_prefix = app.config["SESSION_KEY_PREFIX"]
    if hasattr(own, "cache") and hasattr(own.cache, "_path"):
        folder = app.config.get("SESSION_FILE_DIR") or app.config.pins.folder / FOLDER  # type: ignore[attr-defined]
        own.cache = type(own.cache)(
            str(folder),
            threshold=app.config.get("SESSION_FILE_THRESHOLD", 500),
            mode=app.config.get("SESSION_FILE_MODE", 0o600),
        )
    _set_scope(own, app)
    app.session_interface = own


def _set_scope(interface: Any, app: Flask) -> None:
    binding = app.extensions[EXTENSION]
    interface.cookie = ScopedSessionInterface(
        scope=binding.tenant.id, name=None, https=binding.settings.https
    )


def _make_table(interface: Any) -> None:
    interface.sql_session_model.__table__.create(bind=interface.client.engine, checkfirst=True)
