"""Loads the operator's factory from the setting."""

from __future__ import annotations

import ast
import importlib
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from flask import Flask
from flask.cli import prepare_import

from tenantry.errors import FactoryError
from tenantry.files.disk import is_dir, is_file
from tenantry.files.shipped import add_bundled
from tenantry.values.placement import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from _typeshed.wsgi import WSGIApplication

    from tenantry.values.tenant import Tenant


def no_hook(_: Any) -> None:
    """Stand in for a hook that the factory's module does not define."""


def _no_folder() -> Path | None:
    """Find no revisions."""
    return None


def _no_work() -> None:
    """Stand in for a ``prepare`` that is not there."""


@dataclass(frozen=True, slots=True)
class Factory:
    """What makes a tenant's app, and the hooks beside it."""

    build: Callable[[Tenant], WSGIApplication]
    """Build the tenant's app. It may raise; it is then tried again later."""

    prepare: Callable[[], None] = _no_work
    """Load and make what all tenants share, once in each worker, before it serves."""

    provision: Callable[[Tenant], None] = no_hook
    """Make the tenant's own data, so that its app can serve. Saying it again changes nothing."""

    dispose: Callable[[Any], None] = no_hook
    """Close what ``build`` opened."""

    receive: Callable[[Tenant], None] = no_hook
    """Look over the tenant's data, which came out of a file that anybody may have made: make again
    what the app trusts, as HTML that it has made of people's texts. Saying it again changes nothing."""

    demonstrate: Callable[[Tenant], None] = no_hook
    """Fill the site with example content. Saying it again changes nothing."""

    demonstrations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The sites of a demonstration: a slug with the site's ``name`` and ``settings``."""

    find_migrations: Callable[[], Path | None] = _no_folder
    """Find the Alembic folder with the schema revisions of tenants' databases, if there is one."""

    transient_tables: tuple[str, ...] = ()
    """Tables that are emptied after a clone, an import or a restore: sessions, one-use links."""

    placements: tuple[Kind, ...] = ()
    """The kinds of placement that the app can live on; empty for all."""

    jobs: tuple[Any, ...] = ()
    """The jobs that the tenants' apps enqueue, each defined with ``tenantry.job``."""

    @property
    def migrations(self) -> Path | None:
        """The Alembic folder, if there is one. The first call may have to build an app."""
        return self.find_migrations()


def load_factory(path: str, arguments: Sequence[Any] | None = None) -> Factory:
    """Import a factory, named as ``flask --app`` names it; the other hooks come from its module.

    ``module:callable``, ``module:callable('production')`` and ``folder/file.py:callable`` are accepted;
    ``module`` alone means its ``create_app`` or ``make_app``. The hooks are ``prepare``, ``provision``,
    ``dispose``, ``receive``, ``demonstrate``, the mapping ``DEMONSTRATIONS``, the path ``MIGRATIONS``,
    the names ``TRANSIENT_TABLES``, the kinds ``PLACEMENTS`` and the tuple ``JOBS``.

    :param arguments: What to call the factory with (``TENANTRY_FACTORY_ARGS``); by default the tenant
        is passed to a parameter named ``tenant`` or annotated ``Tenant``, and nothing else.
    :raises FactoryError: There is no such module or callable, it cannot be called in this way, it is
        an app and no factory, there is no folder ``MIGRATIONS``, ``TRANSIENT_TABLES`` is no tuple of
        names, or ``JOBS`` no tuple.
    """
    add_bundled()
    module_name, colon, call = path.partition(":")
    if colon and not call:
        raise FactoryError(path, "name a factory as `module:callable`")
    module = _import(path, module_name)
    name, given, keywords = _parse_call(path, call) if call else (_discover(path, module), None, {})
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if isinstance(found, Flask):
        raise FactoryError(path, _shared_app(module, name))
    if not callable(found):
        raise FactoryError(path, f"module {module.__name__!r} has no callable {name!r}")
    fixed = arguments if given is None else given
    build = _tenant_call(path, found) if fixed is None else _fixed_call(found, fixed, keywords)
    hooks = {
        hook: getattr(module, hook)
        for hook in ("prepare", "provision", "dispose", "receive", "demonstrate")
        if callable(getattr(module, hook, None))
    }
    return Factory(
        build=build,
        demonstrations=getattr(module, "DEMONSTRATIONS", {}),
        find_migrations=_find_folder(path, getattr(module, "MIGRATIONS", None)),
        placements=_kinds(path, getattr(module, "PLACEMENTS", ())),
        transient_tables=_names(path, getattr(module, "TRANSIENT_TABLES", ())),
        jobs=_jobs(path, getattr(module, "JOBS", ())),
        **hooks,
    )


def _import(path: str, name: str) -> ModuleType:
    if not name or name.startswith("."):
        raise FactoryError(path, "name a factory as `module:callable`")
    if name.endswith(".py"):
        if not is_file(Path(name)):
            raise FactoryError(path, f"there is no file {name!r}")
        name = prepare_import(name)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it needs is not
        raise FactoryError(path, f"there is no module {name!r} on the path") from error


def _parse_call(path: str, text: str) -> tuple[str, tuple[Any, ...] | None, dict[str, Any]]:
    """Return the dotted name in ``name`` or ``name('literal', key=1)``, and what it is called with."""
    try:
        expression = ast.parse(text.strip(), mode="eval").body
        if not isinstance(expression, ast.Call):
            return ast.unparse(_dotted(expression)), None, {}
        arguments = tuple(ast.literal_eval(value) for value in expression.args)
        keywords = {word.arg or "": ast.literal_eval(word.value) for word in expression.keywords}
        return ast.unparse(_dotted(expression.func)), arguments, keywords
    except (SyntaxError, ValueError, TypeError) as error:
        problem = f"{text!r} is neither a name nor a call with literal arguments"
        raise FactoryError(path, problem) from error


def _dotted(expression: ast.expr) -> ast.expr:
    inner = expression
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    if not isinstance(inner, ast.Name):
        raise TypeError
    return expression


def _discover(path: str, module: ModuleType) -> str:
    for name in ("create_app", "make_app"):
        if callable(getattr(module, name, None)):
            return name
    for name in ("app", "application"):
        if isinstance(getattr(module, name, None), Flask):
            raise FactoryError(path, _shared_app(module, name))
    raise FactoryError(path, f"module {module.__name__!r} has neither create_app nor make_app")


def _shared_app(module: ModuleType, name: str) -> str:
    return (
        f"{module.__name__}.{name} is made when its module is imported: all tenants would share "
        f"it. In {module.__file__}, put its lines into `def create_app():`, begin with "
        f"`app = Flask(__name__)` and end with `return app`; then name {module.__name__}:create_app"
    )


def _fixed_call(
    factory: Callable[..., Any], arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> Callable[[Tenant], Any]:
    def build(_tenant: Tenant) -> Any:
        return factory(*arguments, **keywords)

    return build


def _tenant_call(path: str, factory: Callable[..., Any]) -> Callable[[Tenant], Any]:
    """Return how to call a factory for a tenant, from the names of its parameters."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except ValueError as error:
        raise FactoryError(path, "its parameters cannot be read; wrap it in a function") from error
    chosen = next((each for each in parameters if _takes_tenant(each)), None)
    for each in parameters:
        if each is chosen or each.default is not each.empty or each.kind in _VARIADIC:
            continue
        name = path.replace(":", ".")
        problem = (
            f"{name}({each.name}) takes no tenant; set what it is called with, as in "
            f'TENANTRY_FACTORY_ARGS=["production"], or name the parameter `tenant`'
        )
        raise FactoryError(path, problem)
    if chosen is None:
        return lambda _tenant: factory()
    if chosen.kind is chosen.KEYWORD_ONLY:
        return lambda tenant: factory(**{chosen.name: tenant})
    if chosen is next(iter(parameters)):
        return factory
    return lambda tenant: factory(**{chosen.name: tenant})


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _takes_tenant(parameter: inspect.Parameter) -> bool:
    if parameter.kind in _VARIADIC:
        return False
    annotation = parameter.annotation
    kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return parameter.name.strip("_") == "tenant" or kind.rpartition(".")[2] == "Tenant"


def _find_folder(path: str, value: Any) -> Callable[[], Path | None]:
    if value is None:
        return _no_folder
    folder = check_folder(path, value)
    return lambda: folder


def check_folder(path: str, value: Any) -> Path:
    """Return the absolute path of a folder of revisions.

    :param path: The factory, for the error.
    :raises FactoryError: There is no such folder.
    """
    if not isinstance(value, (str, Path)) or not is_dir(Path(value)):
        raise FactoryError(
            path, f"MIGRATIONS={value!r} is not a folder; name the folder of the revisions"
        )
    return Path(value).absolute()


def _kinds(path: str, value: Any) -> tuple[Kind, ...]:
    known = get_args(Kind)
    if not isinstance(value, (tuple, list, set, frozenset)) or not set(value) <= set(known):
        problem = f"PLACEMENTS={value!r} is not a tuple of `sqlite` and `postgresql`"
        raise FactoryError(path, problem)
    return tuple(value)


def _names(path: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (tuple, list)) or not all(isinstance(name, str) for name in value):
        problem = f"TRANSIENT_TABLES={value!r} is not a tuple of table names"
        raise FactoryError(path, problem)
    return tuple(value)


def _jobs(path: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        raise FactoryError(path, f"JOBS={value!r:.100} is not a tuple of jobs")
    return tuple(value)
