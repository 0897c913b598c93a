"""Files that come with Tenantry: a wheel has them inside the package, a checkout at its root."""

from __future__ import annotations

from pathlib import Path

from tenantry.files.disk import is_file

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parents[1]


def find_shipped(in_package: str, in_checkout: str) -> Path:
    """Return the path of a file that a wheel has under one name and a checkout under another.

    :raises FileNotFoundError: Neither has it; the installation is damaged.
    """
    for path in (PACKAGE / in_package, CHECKOUT / in_checkout):
        if is_file(path):
            return path
    raise FileNotFoundError(f"There is no {PACKAGE / in_package}; install Tenantry again.")
