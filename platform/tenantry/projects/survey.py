"""Looks at an app that knows of no tenants: its factory, data, extensions, commands and traps."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tenantry import factory as factories
from tenantry.doctor import Finding, Severity
from tenantry.doctor.source import find_package, lint
from tenantry.doctor.source.lint import find_modules
from tenantry.files.disk import is_dir

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tenantry.doctor.source.module import Module

EXTENSIONS = ("flask_", "celery", "dramatiq", "rq", "apscheduler", "redis")
"""How the names of packages begin that the report names."""

INITIAL = frozenset({"init-db", "init_db", "initdb", "create-db", "create_db", "setup-db"})
"""Commands that make an empty database, as apps call them."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found."""

    factory: str
    """What ``TENANTRY_FACTORY`` is to be."""

    shape: str
    """The factory as it is defined: ``create_app(test_config=None)``."""

    package: Path
    databases: tuple[str, ...]
    migrations: Path | None
    extensions: tuple[str, ...]
    missing: tuple[str, ...]
    """Extensions that the source imports and that are not installed."""

    commands: tuple[str, ...]
    traps: tuple[Finding, ...]

    @property
    def variables(self) -> dict[str, str]:
        """The settings that serve the app."""
        found = {"TENANTRY_FACTORY": self.factory}
        initial = [name for name in self.commands if name in INITIAL]
        if initial and self.migrations is None:
            found["TENANTRY_PROVISION"] = f'["{initial[0]}"]'
        return found


def survey(path: str, arguments: Sequence[object] | None = None) -> Survey:
    """Import a factory, read its source, and return what there is.

    :param path: As ``TENANTRY_FACTORY`` has it.
    :param arguments: As ``TENANTRY_FACTORY_ARGS`` has them.
    :raises FactoryError: There is no factory, or it needs arguments that are not given.
    """
    factories.load_factory(path, arguments)
    package = find_package(path)
    modules = find_modules([package])
    used = sorted({name for module in modules for name in _packages(module)})
    return Survey(
        factory=path,
        shape=_shape(path),
        package=package,
        databases=tuple(_databases(modules)),
        migrations=_find_migrations(package),
        extensions=tuple(name for name in used if find_spec(name) is not None),
        missing=tuple(name for name in used if find_spec(name) is None),
        commands=tuple(dict.fromkeys(name for module in modules for name in _commands(module))),
        traps=tuple(each for each in lint([package]) if each.severity is not Severity.OK),
    )


def _shape(path: str) -> str:
    """Return the factory's name with its parameters."""
    module_name, _, call = path.partition(":")
    name = call.partition("(")[0]
    if module_name.endswith(".py"):
        return name or "create_app"
    module = import_module(module_name)
    name = name or next(each for each in ("create_app", "make_app") if hasattr(module, each))
    found = module
    for part in name.split("."):
        found = getattr(found, part)
    parameters = [
        each.replace(annotation=each.empty)
        for each in inspect.signature(found).parameters.values()  # type: ignore[arg-type]
    ]
    return f"{name}{inspect.Signature(parameters)}"


def _packages(module: Module) -> Iterator[str]:
    """Yield the extensions and task queues that a module imports."""
    for node in ast.walk(module.tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        yield from (
            first for name in names if (first := name.partition(".")[0]).startswith(EXTENSIONS)
        )


def _databases(modules: Sequence[Module]) -> Iterator[str]:
    imported = {name for module in modules for name in module.meanings.values()}
    calls = {
        module.meaning(node.func)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
    }
    if any(name.startswith("flask_sqlalchemy_lite") for name in imported):
        yield "Flask-SQLAlchemy-Lite: the engine is the tenant's"
    elif any(name.startswith("flask_sqlalchemy") for name in imported):
        yield "Flask-SQLAlchemy: the engine is the tenant's"
    if "sqlite3.connect" in calls:
        yield "sqlite3: files below app.instance_path are the tenant's"
    if "sqlalchemy.create_engine" in calls:
        yield "create_engine(): an engine that is not the tenant's"


def _find_migrations(package: Path) -> Path | None:
    """Return the folder of an Alembic history beside or inside the package."""
    places = [package / "migrations", package.parent / "migrations", package.parent / "alembic"]
    return next((place for place in places if is_dir(place / "versions")), None)


def _commands(module: Module) -> Iterator[str]:
    """Yield the commands that the app registers with Flask's command line."""
    for node in ast.walk(module.tree):
        for mark in getattr(node, "decorator_list", ()):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith(".command"):
                name = mark.args[0] if mark.args else None
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield name.value
                else:
                    yield str(getattr(node, "name", "")).replace("_", "-")
