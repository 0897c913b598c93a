"""Stand-ins for one app: each leads to the app that is at work.

Code that is shared between tenants and keeps hold of the app it was made with is given these instead.
Outside of an app they raise, as Flask's own proxies do.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from flask import current_app
from werkzeug.local import LocalProxy

from tenantry.environ import APP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Flask

_OUTSIDE = (
    "This needs the app of one tenant, and none is at work here. Run it inside a request or "
    "`with app.app_context():`."
)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of an app, which its middleware sees before Flask makes a context."""

    app: Flask
    outer: Flask | None
    """The app at work around the call."""


_call: ContextVar[_Call | None] = ContextVar("tenantry_app_call", default=None)


def _in_context() -> Flask | None:
    return cast("Any", current_app)._get_current_object() if current_app else None  # noqa: SLF001


def find_app() -> Flask:
    """Return the app that is at work: the current one, or the one whose middleware runs.

    :raises RuntimeError: There is none.
    """
    app, call = _in_context(), _call.get()
    if call is not None and app is call.outer:
        return call.app  # no context has been made since it was called
    if app is None:
        raise RuntimeError(_OUTSIDE)
    return app


@contextmanager
def called(app: Flask) -> Iterator[None]:
    """Let the block's code, which no context surrounds yet, find *app*."""
    token = _call.set(_Call(app, _in_context()))
    try:
        yield
    finally:
        _call.reset(token)


THE_APP: Any = LocalProxy(find_app)
THE_CONFIG: Any = LocalProxy(lambda: find_app().config)
THE_EXTENSIONS: Any = LocalProxy(lambda: find_app().extensions)
THE_LOGGER: Any = LocalProxy(lambda: find_app().logger)
THE_JSON: Any = LocalProxy(lambda: find_app().json)


def method_of(owner: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls *function* as a method of what *owner* leads to at that moment.

    :param owner: One of the stand-ins of this module.
    """
    if owner is THE_APP and function.__name__ == "wsgi_app":
        return _wsgi_app(function)

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        return function(owner._get_current_object(), *arguments, **options)  # noqa: SLF001

    return call


def _wsgi_app(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # A wrapper may call what it wraps after it has returned, while its response is read.
        app = environ.get(APP) or find_app()
        response: Iterable[bytes] = function(app, environ, start_response)
        return response

    return call
