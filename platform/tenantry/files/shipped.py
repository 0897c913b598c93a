"""Finds files that are shipped with Tenantry, in a wheel or a checkout."""

from __future__ import annotations

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from tenantry.errors import ProjectError
from tenantry.files.disk import is_dir, is_file

if TYPE_CHECKING:
    from types import ModuleType

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parents[1]
BUNDLED = PACKAGE / "_bundled"
"""Where a wheel has the bundled apps: at the top of site-packages, ``tenants`` would be everybody's."""

COMPOSITION = "tenantry.composition"

OWN_APPS = ("backend_app", "frontend_app")
"""Packages of ours that a working folder must not have."""

EXTRAS = {
    "flask_login": "site",
    "flask_smorest": "site",
    "flask_wtf": "site",
    "markdown_it": "site",
    "nh3": "site",
    "psycopg": "postgresql",
    "wtforms": "site",
}
"""What to ask pip for, by the module that is missing."""


def find_shipped(in_package: str, in_checkout: str) -> Path:
    """Return the path of a file that a wheel has under one name and a checkout under another.

    :raises FileNotFoundError: Neither has it; the installation is damaged.
    """
    for path in (PACKAGE / in_package, CHECKOUT / in_checkout):
        if is_file(path):
            return path
    raise FileNotFoundError(f"There is no {PACKAGE / in_package}; install Tenantry again.")


def add_bundled() -> None:
    """Make the bundled apps importable, after everything else: a factory of the same name comes first.

    In a checkout they are already.
    """
    if str(BUNDLED) not in sys.path and is_dir(BUNDLED):
        sys.path.append(str(BUNDLED))


def check_own_apps() -> None:
    """Refuse a working folder with packages that have the names of ours: they would be served.

    :raises ProjectError: It names the package.
    """
    home = BUNDLED if is_dir(BUNDLED) else CHECKOUT
    for name in OWN_APPS:
        spec = find_spec(name)
        if spec is not None and spec.origin and Path(spec.origin).parents[1] != home:
            problem = f"Tenantry has a package of the name {name} itself; rename yours"
            raise ProjectError(str(Path(spec.origin).parent), problem)


def load_composition() -> ModuleType:
    """Return the module of the composition root that comes with this package, loaded once.

    It knows the apps, so it stands beside them and not in this package, and nothing imports it. It is
    loaded from its file: by name, a ``dispatch.py`` in the working folder came first.

    :raises ProjectError: The working folder has packages with the names of ours.
    :raises ImportError: A library of the bundled apps is not installed.
    """
    if COMPOSITION in sys.modules:
        return sys.modules[COMPOSITION]
    add_bundled()
    check_own_apps()
    spec = spec_from_file_location(COMPOSITION, find_shipped("composition.py", "dispatch.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{COMPOSITION} cannot be loaded")
    module = module_from_spec(spec)
    sys.modules[COMPOSITION] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[COMPOSITION]
        raise
    return module


def explain_missing(error: ModuleNotFoundError) -> str | None:
    """Return which extra brings a missing module; nothing if none does."""
    library = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(library)
    if extra is None:
        return None
    return f"The library {library} is not installed. Run `pip install 'tenantry[{extra}]'`."
