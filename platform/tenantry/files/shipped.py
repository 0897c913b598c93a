"""Finds files that are shipped with Tenantry, in a wheel or a checkout."""

from __future__ import annotations

import sys
from pathlib import Path

from tenantry.files.disk import is_dir, is_file

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parents[1]
BUNDLED = PACKAGE / "_bundled"
"""Where a wheel has the bundled apps: at the top of site-packages, ``tenants`` would be everybody's."""

EXTRAS = {
    "flask_login": "site",
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


def explain_missing(error: ModuleNotFoundError) -> str | None:
    """Return which extra brings a missing module; nothing if none does."""
    library = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(library)
    if extra is None:
        return None
    return f"The library {library} is not installed. Run `pip install 'tenantry[{extra}]'`."
