"""Reads an app's source, without running it, for what tenants would share.

:func:`lint` returns a finding with file and line for each. What it reads cannot be proved to be wrong:
``# tenantry: shared`` at the end of a line accepts it.
"""

from __future__ import annotations

from tenantry.doctor.source.lint import find_package, lint

__all__ = ["find_package", "lint"]
