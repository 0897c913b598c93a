"""Makes what tenants share of an app unchangeable."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from tenantry.environ import APP
from tenantry.errors import FrozenError
from tenantry.flask.app_proxies import called
from tenantry.flask.loggers import TEMPLATE
from tenantry.flask.shared_state import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Flask

TABLES = (
    "view_functions",
    "error_handler_spec",
    "before_request_funcs",
    "after_request_funcs",
    "teardown_request_funcs",
    "template_context_processors",
    "url_value_preprocessors",
    "url_default_functions",
    "blueprints",
)
"""Dictionaries of a Flask app that say what it does, alike for every tenant."""

OWN = frozenset({"config", "extensions", "json", "instance_path", "logger", "session_interface"})
"""Attributes of an app that each tenant's has for itself."""


def freeze(prototype: Flask) -> Mapping[str, Any]:
    """Return the attributes that instances share, made unchangeable."""
    prototype._got_first_request = True  # noqa: SLF001 - Flask refuses late registration by it
    prototype.url_map.update()
    shared = {name: value for name, value in vars(prototype).items() if name not in OWN}
    for name in TABLES:
        shared[name] = FrozenTable.of(shared[name])
    for name in FUNCTIONS:
        shared[name] = tuple(shared[name])
    if "logger" in vars(prototype):
        shared[TEMPLATE] = prototype.logger
    prototype.url_map.add = _refuse("URL rule")  # type: ignore[method-assign]
    return MappingProxyType(shared)


def frozen_kind(prototype: Flask) -> type[Flask]:
    """Return the class of instances that share *prototype*."""
    base: Any = type(prototype)

    def check(_app: Flask, name: str) -> None:
        raise FrozenError(f"{name}()")

    def call(app: Any, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[APP] = app
        with called(app):
            response: Iterable[bytes] = base.__call__(app, environ, start_response)
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(wrapper, type) and isinstance(response, wrapper):
            return response  # the server knows how to send it
        return _CalledResponse(app, response)

    attributes: dict[str, Any] = {
        "_check_setup_finished": check,
        "__module__": base.__module__,
        "shares_prototype": True,
    }
    if "wsgi_app" in vars(prototype):
        attributes["__call__"] = call
    return type(base.__name__, (base,), attributes)


def is_shared(app: Any) -> bool:
    """Say whether *app* is a flyweight: it shares a prototype with others."""
    return getattr(type(app), "shares_prototype", False)


class _CalledResponse:
    """A response whose code finds its app: a middleware may be a generator, and run only now."""

    def __init__(self, app: Flask, response: Iterable[bytes]) -> None:
        self._app = app
        self._response = response
        self._parts = iter(response)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        with called(self._app):
            return next(self._parts)

    def close(self) -> None:
        close = getattr(self._response, "close", None)
        if close is not None:
            with called(self._app):
                close()


class FrozenTable(dict[Any, Any]):
    """A dictionary that nobody can change; where Flask expects a default, it answers an empty one.

    Flask's own are ``defaultdict`` objects, which grow by being looked at.
    """

    __slots__ = ()

    @classmethod
    def of(cls, table: Mapping[Any, Any]) -> FrozenTable:
        """Return *table* frozen, with the tables and lists inside."""
        return cls((key, _closed(value)) for key, value in table.items())

    def __missing__(self, key: Any) -> FrozenTable:
        return _EMPTY

    def _refused(self, *_args: Any, **_options: Any) -> NoReturn:
        raise FrozenError("Changing a table")

    __setitem__ = __delitem__ = __ior__ = _refused
    clear = pop = popitem = setdefault = update = _refused


_EMPTY = FrozenTable()


def _closed(value: Any) -> Any:
    if isinstance(value, dict):
        return FrozenTable.of(value)
    return tuple(value) if isinstance(value, list) else value


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refuse(*_args: Any, **_options: Any) -> NoReturn:
        raise FrozenError(what)

    return refuse
