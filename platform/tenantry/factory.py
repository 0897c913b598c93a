"""Loads the operator's factory from the setting."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenantry.errors import FactoryError
from tenantry.files.disk import is_dir
from tenantry.files.shipped import add_bundled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _typeshed.wsgi import WSGIApplication

    from tenantry.values.tenant import Tenant


def _nothing(_: Any) -> None:
    """Stand in for a hook that the factory's module does not define."""


def _no_work() -> None:
    """Stand in for a ``prepare`` that is not there."""


@dataclass(frozen=True, slots=True)
class Factory:
    """What makes a tenant's app, and the hooks beside it."""

    build: Callable[[Tenant], WSGIApplication]
    """Build the tenant's app. It may raise; it is then tried again later."""

    prepare: Callable[[], None] = _no_work
    """Load and make what all tenants share, once in each worker, before it serves."""

    provision: Callable[[Tenant], None] = _nothing
    """Make the tenant's own data, so that its app can serve. Saying it again changes nothing."""

    dispose: Callable[[Any], None] = _nothing
    """Close what ``build`` opened."""

    receive: Callable[[Tenant], None] = _nothing
    """Look over the tenant's data, which came out of a file that anybody may have made: make again
    what the app trusts, as HTML that it has made of people's texts. Saying it again changes nothing."""

    demonstrate: Callable[[Tenant], None] = _nothing
    """Fill the site with example content. Saying it again changes nothing."""

    demonstrations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The sites of a demonstration: a slug with the site's ``name`` and ``settings``."""

    migrations: Path | None = None
    """The Alembic folder with the schema revisions of tenants' databases, if there is one."""

    transient_tables: tuple[str, ...] = ()
    """Tables that are emptied after a clone, an import or a restore: sessions, one-use links."""


def load_factory(path: str) -> Factory:
    """Import ``module:callable``; the other hooks come from its module.

    They are ``prepare``, ``provision``, ``dispose``, ``receive``, ``demonstrate``, the mapping
    ``DEMONSTRATIONS``, the path ``MIGRATIONS`` and the names ``TRANSIENT_TABLES``.

    :raises FactoryError: There is no such module or callable, no folder ``MIGRATIONS``, or
        ``TRANSIENT_TABLES`` is no tuple of names.
    """
    add_bundled()
    module_name, colon, name = path.partition(":")
    if not colon or not name or not module_name or module_name.startswith("."):
        raise FactoryError(path, "name a callable as `module:name`")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it needs is not
        raise FactoryError(path, f"there is no module {module_name!r} on the path") from error
    build = getattr(module, name, None)
    if not callable(build):
        raise FactoryError(path, f"module {module_name!r} has no callable {name!r}")
    hooks = {
        hook: getattr(module, hook)
        for hook in ("prepare", "provision", "dispose", "receive", "demonstrate")
        if callable(getattr(module, hook, None))
    }
    return Factory(
        build=build,
        demonstrations=getattr(module, "DEMONSTRATIONS", {}),
        migrations=_folder(path, getattr(module, "MIGRATIONS", None)),
        transient_tables=_names(path, getattr(module, "TRANSIENT_TABLES", ())),
        **hooks,
    )


def _folder(path: str, value: Any) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, (str, Path)) or not is_dir(Path(value)):
        raise FactoryError(
            path, f"MIGRATIONS={value!r} is not a folder; name the folder of the revisions"
        )
    return Path(value).absolute()


def _names(path: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (tuple, list)) or not all(isinstance(name, str) for name in value):
        problem = f"TRANSIENT_TABLES={value!r} is not a tuple of table names"
        raise FactoryError(path, problem)
    return tuple(value)
