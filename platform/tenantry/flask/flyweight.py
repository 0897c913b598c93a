"""Flyweights: Flask instances that share everything immutable with one prototype.

A full app per tenant costs hundreds of kilobytes and tens of milliseconds, growing with its routes. A
flyweight is a true :class:`~flask.Flask` object with an identity of its own; the URL map, views,
blueprints, hooks and template environment are its prototype's, frozen.
"""

from __future__ import annotations

import threading
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from flask import Flask, current_app
from flask.config import Config
from flask.helpers import url_for
from flask_sqlalchemy import SQLAlchemy
from werkzeug.local import LocalProxy

from tenantry.errors import FrozenError, UnfitError
from tenantry.flask.binding import init_tenant
from tenantry.flask.building import building
from tenantry.flask.database import TenantSQLAlchemy
from tenantry.flask.unavailable import answer_unavailable
from tenantry.pool.build_steps import build_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flask import Response

    from tenantry.values.tenant import Tenant

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

LISTS = ("url_build_error_handlers", "teardown_appcontext_funcs", "shell_context_processors")


class Flyweight:
    """Makes a tenant's app out of one that is built once per process.

    .. code-block:: python

        site = Flyweight(build_site, bind=open_database)

        def create_app(tenant):
            return site.instance(tenant)

    :param build: Makes an ordinary Flask app that knows of no tenant.
    :param bind: Called with each instance and its tenant, to give it what is its own: entries of
        ``config`` and ``extensions``.
    """

    def __init__(
        self,
        build: Callable[[], Flask],
        *,
        bind: Callable[[Flask, Tenant], None] = lambda _app, _tenant: None,
    ) -> None:
        self._build = build
        self._bind = bind
        self._lock = threading.Lock()
        self._prototype: Flask | None = None
        self._shared: Mapping[str, Any] = {}
        self._kind: type[Flask] = Flask

    def instance(self, tenant: Tenant, *, settings: Any = None) -> Flask:
        """Return a new app for *tenant*, bound to it by :func:`~tenantry.init_tenant`.

        :raises UnfitError: The prototype has something that only one app can have.
        """
        prototype = self._prototype or self.prepare()
        app = object.__new__(self._kind)
        app.__dict__.update(self._shared)
        app.config = Config(prototype.root_path, prototype.config)
        app.extensions = dict(prototype.extensions)
        app.json = prototype.json_provider_class(app)
        init_tenant(app, tenant, settings=settings)
        with build_step("bind"):
            self._bind(app, tenant)
        return app

    def prepare(self) -> Flask:
        """Build the prototype, if that has not been done, and return it; nobody may change it.

        :raises UnfitError: It has something that only one app can have.
        """
        with self._lock, build_step("prototype"):
            if self._prototype is None:
                with building(None):  # the first tenant's build may have brought us here
                    prototype = _build(self._build)
                release(prototype)
                check_fit(prototype)
                answer_unavailable(prototype)
                self._kind = _frozen_kind(type(prototype))
                self._shared = _freeze(prototype)
                self._prototype = prototype
            return self._prototype


_PLAIN_SQLALCHEMY = (
    "flask_sqlalchemy.SQLAlchemy opens one database for all of them",
    "Use tenantry.TenantSQLAlchemy, which takes the same arguments",
)


def _build(build: Callable[[], Flask]) -> Flask:
    try:
        return build()
    except RuntimeError as error:
        if "SQLALCHEMY_DATABASE_URI" in str(error):  # what the plain extension wants to be told
            raise UnfitError(*_PLAIN_SQLALCHEMY) from error
        raise


def release(prototype: Flask) -> None:
    """Let what closes over the prototype find the app that is at work instead.

    Flask-WTF's hook does so, and views that are defined where the app is made. Their ``app`` is
    ``current_app`` from now on, and raises where no app is at work.
    """
    waiting = [function for _, function in _functions(prototype)]
    seen = set()
    while waiting:
        function = waiting.pop()
        if not isinstance(function, FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        for cell in function.__closure__ or ():
            content = _content(cell)
            if content is prototype:
                cell.cell_contents = current_app
            else:
                waiting.append(content)  # what a decorator has wrapped


def check_fit(prototype: Flask) -> None:
    """Refuse an app that keeps hold of itself where its tenants' apps would go astray.

    :raises UnfitError: Names what holds it.
    """
    if "wsgi_app" in vars(prototype):
        raise UnfitError("its wsgi_app is wrapped, and the wrapper calls this one app", "Wrap none")
    for name, extension in prototype.extensions.items():
        if isinstance(extension, SQLAlchemy) and not isinstance(extension, TenantSQLAlchemy):
            raise UnfitError(*_PLAIN_SQLALCHEMY)
        if getattr(extension, "app", None) is prototype:
            raise UnfitError(
                f"extension {name!r} keeps it as .app",
                "Call its init_app(app) instead of passing the app to its constructor",
            )
    for what, function in _functions(prototype):
        if _holds(function, prototype):
            name = getattr(function, "__qualname__", function)
            raise UnfitError(f"{what} {name!r} keeps it", "Use current_app in its place")


def _functions(app: Flask) -> Iterator[tuple[str, Any]]:
    """Yield every function that runs for a request, with what it is."""
    for endpoint, view in app.view_functions.items():
        if endpoint != "static":  # Flask's own; _freeze replaces it
            yield "view", view
    for name in (
        "before_request_funcs",
        "after_request_funcs",
        "teardown_request_funcs",
        "template_context_processors",
        "url_value_preprocessors",
        "url_default_functions",
    ):
        for functions in getattr(app, name).values():
            yield from ((f"hook in {name}", function) for function in functions)
    for name in LISTS:
        yield from ((f"hook in {name}", function) for function in getattr(app, name))
    for codes in app.error_handler_spec.values():
        for handlers in codes.values():
            yield from (("error handler", handler) for handler in handlers.values())


def _holds(function: Any, app: Flask) -> bool:
    if getattr(function, "__self__", None) is app:
        return True
    return any(value is app for value in getattr(function, "__defaults__", None) or ())


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _freeze(prototype: Flask) -> Mapping[str, Any]:
    """Return what instances share, made unchangeable, with app-bound parts made app-neutral."""
    if "static" in prototype.view_functions:
        prototype.view_functions["static"] = _send_static_file
    environment = prototype.jinja_env
    environment.globals.update(url_for=url_for, config=LocalProxy(lambda: current_app.config))
    environment.policies["json.dumps_function"] = _dumps
    prototype._got_first_request = True  # noqa: SLF001 - Flask refuses late registration by it
    prototype.url_map.update()
    shared = dict(vars(prototype))
    for own in ("config", "extensions", "json", "instance_path", "logger"):
        shared.pop(own, None)
    for name in TABLES:
        shared[name] = FrozenTable.of(shared[name])
    for name in LISTS:
        shared[name] = tuple(shared[name])
    prototype.url_map.add = _refuse("URL rule")  # type: ignore[method-assign]
    return MappingProxyType(shared)


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


def _frozen_kind(base: type[Flask]) -> type[Flask]:
    def check(_app: Flask, name: str) -> None:
        raise FrozenError(f"{name}()")

    return type(
        base.__name__, (base,), {"_check_setup_finished": check, "__module__": base.__module__}
    )


def _refuse(what: str) -> Callable[..., NoReturn]:
    def refuse(*_args: Any, **_options: Any) -> NoReturn:
        raise FrozenError(what)

    return refuse


def _send_static_file(filename: str) -> Response:
    return current_app.send_static_file(filename)


def _dumps(value: Any, **options: Any) -> str:
    return current_app.json.dumps(value, **options)
