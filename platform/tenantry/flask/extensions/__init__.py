"""What extensions of Flask need to serve many tenants in one process.

Most need nothing. Some keep on themselves what they have read of one app's config: a cache, a mail
server, a key. There is a module here for each of those. It is imported if the library is, and may have

- ``install()``: called before a build, to see what the extension is given;
- ``adapt(app)``: makes the extension look for the tenant at work, in a tenant's app or a prototype;
- ``share(app)``: leads what holds the extension's state of a prototype to the app at work;
- ``bind(prototype, app)``: gives a flyweight the state that is its own;
- ``close(app)``: closes what a tenant's app has open for itself.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenantry.flask.database import TenantSQLAlchemy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

ADAPTERS = {
    "flask_babel": "locales",
    "flask_caching": "caches",
    "flask_compress": "compressed",
    "flask_limiter": "rate_limiter",
    "flask_mail": "mail_server",
    "flask_mailman": "mailman_server",
    "flask_security": "signed_tokens",
    "flask_session": "server_sessions",
    "flask_socketio": "socket_server",
    "flask_sqlalchemy_lite": "lite_database",
    "flask_talisman": "response_headers",
}
"""The modules of this package by the library that they adapt."""


def _call(step: str, *arguments: Any) -> None:
    for adapter in _loaded():
        function = getattr(adapter, step, None)
        if function is not None:
            function(*arguments)


def _loaded() -> Iterator[Any]:
    for library, module in ADAPTERS.items():
        if library in sys.modules:
            yield import_module(f"{__name__}.{module}")


def install() -> None:
    """See what extensions are given while an app is built."""
    _call("install")


def adapt(app: Flask) -> None:
    """Make the app's extensions look for the tenant at work."""
    _call("adapt", app)


def share(prototype: Flask) -> None:
    """Lead what holds the state of a prototype's extensions to the app at work."""
    _call("share", prototype)


def bind(prototype: Flask, app: Flask) -> None:
    """Give a flyweight the state of extensions that is its own."""
    _call("bind", prototype, app)


def close(app: Flask) -> None:
    """Close what the app's extensions have open for its tenant alone."""
    extension = app.extensions.get("sqlalchemy")
    if isinstance(extension, TenantSQLAlchemy):
        extension.close(app)
    _call("close", app)
